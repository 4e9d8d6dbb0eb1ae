//! A test file as written. Every key that is not known is refused.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use event::EventType;
use rules::closest;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use super::shapes::{self, OneOrMany, ShortForm, Text, Written};

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a test file: a map with `tests` and `rules`")]
pub(super) struct TestFile {
    /// Rule files, relative to this one.
    #[serde(default)]
    pub(super) rules: OneOrMany<PathBuf>,
    pub(super) rule_matching: Option<Matching>,
    pub(super) priority: Option<Text>,
    pub(super) hostname: Option<Text>,
    #[serde(default)]
    pub(super) users: BTreeMap<u32, User>,
    #[serde(default)]
    pub(super) groups: BTreeMap<u32, Text>,
    /// What runtimes tell of containers, by id.
    #[serde(default)]
    pub(super) containers: BTreeMap<Text, ContainerKeys>,
    /// Processes of every test of the file.
    #[serde(default)]
    pub(super) processes: OneOrMany<Process>,
    pub(super) tests: Vec<Test>,
}

/// First match or all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Matching {
    First,
    All,
}

/// One test.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Test {
    pub(super) name: Text,
    /// Beside those of the file.
    #[serde(default)]
    pub(super) processes: OneOrMany<Process>,
    pub(super) events: OneOrMany<Event>,
    pub(super) alerts: Alerts,
    /// The alerts may come in another order than they are written.
    #[serde(default)]
    pub(super) any_order: bool,
}

/// A user; the short form is its name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserKeys {
    pub(super) name: Text,
    #[serde(default)]
    pub(super) homedir: Text,
    #[serde(default)]
    pub(super) shell: Text,
}

/// See [`UserKeys`].
#[derive(Clone, Debug)]
pub(super) struct User(pub(super) UserKeys);

impl ShortForm for User {
    type Keys = UserKeys;
    const EXPECTED: &'static str = "a user's name, or the keys of a user";

    fn of_text(text: String) -> Self {
        Self(UserKeys { name: Text(text), homedir: Text::default(), shell: Text::default() })
    }

    fn of_keys(keys: UserKeys) -> Self {
        Self(keys)
    }
}

/// What a runtime tells of a container; keys are named as the `container.*` fields that they fill.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContainerKeys {
    #[serde(default)]
    pub(super) name: Text,
    /// Repository and tag.
    #[serde(default)]
    pub(super) image: Text,
    #[serde(default)]
    pub(super) privileged: bool,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, Text>,
}

/// A process, or a line of them: `sshd > bash > cat`.
#[derive(Clone, Debug)]
pub(super) enum Process {
    Line(String),
    Full(Box<ProcessKeys>),
}

impl ShortForm for Process {
    type Keys = ProcessKeys;
    const EXPECTED: &'static str =
        "a name, a line of names such as `sshd > bash`, or the keys of a process";

    fn of_text(text: String) -> Self {
        Self::Line(text)
    }

    fn of_keys(keys: ProcessKeys) -> Self {
        Self::Full(Box::new(keys))
    }
}

/// Most keys are named as the `proc.*` fields that they fill.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each a key of the file")]
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProcessKeys {
    pub(super) name: Option<Text>,
    /// What the test calls it, where that is not its name.
    #[serde(rename = "as")]
    pub(super) label: Option<Text>,
    pub(super) pid: Option<u32>,
    pub(super) parent: Option<Text>,
    pub(super) exe: Option<Text>,
    pub(super) exepath: Option<Text>,
    pub(super) args: Option<Written>,
    pub(super) env: Option<Written>,
    pub(super) cwd: Option<Text>,
    pub(super) user: Option<Text>,
    pub(super) group: Option<Text>,
    pub(super) loginuid: Option<Text>,
    pub(super) tty: Option<u32>,
    pub(super) sid: Option<u32>,
    pub(super) pgid: Option<u32>,
    pub(super) vpid: Option<u32>,
    pub(super) vpgid: Option<u32>,
    pub(super) container: Option<Text>,
    pub(super) cgroup: Option<Text>,
    /// How long before the first event it started.
    pub(super) age: Option<Text>,
    pub(super) cap_effective: Option<Written>,
    pub(super) cap_permitted: Option<Written>,
    pub(super) cap_inheritable: Option<Written>,
    #[serde(default)]
    pub(super) is_exe_writable: bool,
    #[serde(default)]
    pub(super) is_exe_upper_layer: bool,
    #[serde(default)]
    pub(super) is_exe_lower_layer: bool,
    #[serde(default)]
    pub(super) is_exe_from_memfd: bool,
    pub(super) exe_ino: Option<u64>,
    pub(super) exe_ino_ctime: Option<u64>,
    pub(super) exe_ino_mtime: Option<u64>,
}

/// An event: one key is the call, the others say more about it.
#[derive(Clone, Debug, Default)]
pub(super) struct Event {
    pub(super) call: String,
    pub(super) params: Params,
    /// The process that does it.
    pub(super) by: Option<Text>,
    /// Another thread of it.
    pub(super) tid: Option<u32>,
    /// The process that a fork makes.
    pub(super) child: Option<Process>,
    /// What the kernel knows of the descriptor that the call makes or uses.
    pub(super) file: Option<File>,
    pub(super) connection: Option<Socket>,
    /// The directories that relative names start from.
    pub(super) dir: Option<Text>,
    pub(super) dir2: Option<Text>,
    /// Time since the event before.
    pub(super) after: Option<Text>,
    pub(super) marks: OneOrMany<Mark>,
}

/// Keys of an event beside its call.
const EVENT_KEYS: [&str; 9] =
    ["by", "tid", "child", "file", "connection", "dir", "dir2", "after", "marks"];

/// What is uncertain about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mark {
    Truncated,
    Faulted,
    FdRaced,
}

/// Parameters of a call.
#[derive(Clone, Debug)]
pub(super) enum Params {
    /// The one that it is about.
    Main(String),
    Named(Vec<(String, Written)>),
}

impl Default for Params {
    fn default() -> Self {
        Self::Named(Vec::new())
    }
}

/// A file as the kernel knows it; the short form is its path.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each a key of the file")]
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileKeys {
    pub(super) path: Option<Text>,
    pub(super) ino: Option<u64>,
    pub(super) dev: Option<u32>,
    pub(super) kind: Option<FileKindName>,
    #[serde(default)]
    pub(super) created: bool,
    #[serde(default)]
    pub(super) deleted: bool,
    #[serde(default)]
    pub(super) upper_layer: bool,
    #[serde(default)]
    pub(super) lower_layer: bool,
    #[serde(default)]
    pub(super) outside_root: bool,
}

/// See [`FileKeys`].
#[derive(Clone, Debug, Default)]
pub(super) struct File(pub(super) FileKeys);

impl ShortForm for File {
    type Keys = FileKeys;
    const EXPECTED: &'static str = "the kernel's path of a file, or the keys of a file";

    fn of_text(text: String) -> Self {
        Self(FileKeys { path: Some(Text(text)), ..FileKeys::default() })
    }

    fn of_keys(keys: FileKeys) -> Self {
        Self(keys)
    }
}

/// Kinds of objects behind a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FileKindName {
    File,
    Directory,
    Symlink,
    CharDevice,
    BlockDevice,
    Pipe,
    Memfd,
    AnonInode,
}

/// A socket as the kernel knows it; the short form is a line such as `tcp 10.0.0.1:4000->1.2.3.4:443`.
#[derive(Clone, Debug)]
pub(super) enum Socket {
    Line(String),
    Full(SocketKeys),
}

impl ShortForm for Socket {
    type Keys = SocketKeys;
    const EXPECTED: &'static str =
        "a line such as `tcp 10.0.0.1:4000->1.2.3.4:443`, or the keys of a socket";

    fn of_text(text: String) -> Self {
        Self::Line(text)
    }

    fn of_keys(keys: SocketKeys) -> Self {
        Self::Full(keys)
    }
}

/// Keys of a socket.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SocketKeys {
    pub(super) proto: Option<Text>,
    pub(super) local: Option<Text>,
    pub(super) remote: Option<Text>,
    pub(super) path: Option<Text>,
    pub(super) role: Option<RoleName>,
    pub(super) connected: Option<bool>,
    #[serde(default)]
    pub(super) peer_changed: bool,
}

/// Which end a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RoleName {
    Client,
    Server,
}

/// The alerts that a test expects, in order; the word `none` stands for no alert.
#[derive(Debug)]
pub(super) struct Alerts(pub(super) Vec<Alert>);

/// An expected alert; the short form is the rule's name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AlertKeys {
    pub(super) rule: Text,
    /// Number of the event that raises it, from 1.
    pub(super) event: Option<usize>,
    pub(super) priority: Option<Text>,
    pub(super) output: Option<Text>,
    #[serde(default)]
    pub(super) output_contains: OneOrMany<Text>,
    #[serde(default)]
    pub(super) output_fields: BTreeMap<String, Written>,
    pub(super) tags: Option<Vec<Text>>,
}

/// See [`AlertKeys`].
#[derive(Clone, Debug)]
pub(super) struct Alert(pub(super) AlertKeys);

impl ShortForm for Alert {
    type Keys = AlertKeys;
    const EXPECTED: &'static str = "a rule's name, or the keys of an alert";

    fn of_text(text: String) -> Self {
        Self(AlertKeys {
            rule: Text(text),
            event: None,
            priority: None,
            output: None,
            output_contains: OneOrMany::default(),
            output_fields: BTreeMap::new(),
            tags: None,
        })
    }

    fn of_keys(keys: AlertKeys) -> Self {
        Self(keys)
    }
}

macro_rules! with_short_form {
    ($($ty:ty),*) => {$(
        impl<'de> Deserialize<'de> for $ty {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                shapes::read(d)
            }
        }
    )*};
}

with_short_form!(User, Process, File, Socket, Alert);

impl<'de> Deserialize<'de> for Alerts {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let OneOrMany(mut all) = OneOrMany::<Alert>::deserialize(d)?;
        if let [Alert(only)] = &all[..]
            && only.rule.0 == "none"
        {
            all.clear();
        }
        Ok(Self(all))
    }
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Params;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the call's parameters")
            }

            fn visit_unit<E: serde::de::Error>(self) -> Result<Params, E> {
                Ok(Params::default())
            }

            fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<Params, E> {
                Ok(Params::Main(v.to_owned()))
            }

            fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<Params, E> {
                Ok(Params::Main(v.to_string()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Params, A::Error> {
                let mut all: Vec<(String, Written)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Written>()? {
                    if all.iter().any(|(known, _)| *known == name) {
                        return Err(A::Error::custom(format_args!("parameter `{name}` twice")));
                    }
                    all.push((name, value));
                }
                Ok(Params::Named(all))
            }
        }
        d.deserialize_any(V)
    }
}

/// Whether there are events of this name.
fn is_call(name: &str) -> bool {
    EventType::all_named(name).next().is_some() || event::syscall_id(name).is_some()
}

/// A key of an event: one of [`EVENT_KEYS`], or the name of a call.
struct EventKey(String);

impl<'de> Deserialize<'de> for EventKey {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let name = String::deserialize(d)?;
        if EVENT_KEYS.contains(&&*name) || is_call(&name) {
            return Ok(Self(name));
        }
        let calls = (0..event::N_EVENT_TYPES as u16).map(|n| EventType(n).name());
        let known = EVENT_KEYS.into_iter().chain(calls).chain(event::syscall_names());
        let hint = closest(&name, known).map(|n| format!(", did you mean `{n}`?"));
        let hint = hint.unwrap_or_default();
        Err(D::Error::custom(format_args!("`{name}` is no call and no key of an event{hint}")))
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct V;
        impl<'de> Visitor<'de> for V {
            type Value = Event;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "an event: a call with its parameters, as `openat: {name: /etc/shadow}`",
                )
            }

            fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<Event, E> {
                if !is_call(v) {
                    return Err(E::custom(format_args!("`{v}` is no call")));
                }
                Ok(Event { call: v.to_owned(), ..Event::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Event, A::Error> {
                let mut seen = Vec::new();
                let mut e = Event::default();
                while let Some(EventKey(key)) = map.next_key()? {
                    if seen.contains(&key) {
                        return Err(A::Error::custom(format_args!("key `{key}` twice")));
                    }
                    match &*key {
                        "by" => e.by = Some(map.next_value()?),
                        "tid" => e.tid = Some(map.next_value()?),
                        "child" => e.child = Some(map.next_value()?),
                        "file" => e.file = Some(map.next_value()?),
                        "connection" => e.connection = Some(map.next_value()?),
                        "dir" => e.dir = Some(map.next_value()?),
                        "dir2" => e.dir2 = Some(map.next_value()?),
                        "after" => e.after = Some(map.next_value()?),
                        "marks" => e.marks = map.next_value()?,
                        call if e.call.is_empty() => {
                            call.clone_into(&mut e.call);
                            e.params = map.next_value()?;
                        }
                        call => {
                            let why =
                                format_args!("an event is one call, not `{}` and `{call}`", e.call);
                            return Err(A::Error::custom(why));
                        }
                    }
                    seen.push(key);
                }
                if e.call.is_empty() {
                    return Err(A::Error::custom("an event without a call"));
                }
                Ok(e)
            }
        }
        d.deserialize_any(V)
    }
}
