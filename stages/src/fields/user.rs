//! `user.*` and `group.*`.

use event::thread_facts;
use rules::{UserField as Field, Value};

use super::EventFields;
use crate::users::{Place, UserRef};

/// What some fields give where nothing is known: text, not a missing value.
pub(super) const NA: &[u8] = b"<NA>";
/// Falco's user that no list knows.
const NOBODY: UserRef<'_> = UserRef { name: NA, homedir: NA, shell: NA };

impl EventFields<'_> {
    fn uid(&self) -> Option<u32> {
        if self.event.is_from_file() {
            let own = self.thread().filter(|t| t.knows(thread_facts::UID));
            own.map(|t| t.uid).or_else(|| self.version().map(|v| v.ids.uid))
        } else {
            Some(self.event.header().uid)
        }
    }

    fn gid(&self) -> Option<u32> {
        if self.event.is_from_file() {
            let own = self.thread().filter(|t| t.knows(thread_facts::GID));
            own.map(|t| t.gid).or_else(|| self.version().map(|v| v.ids.gid))
        } else {
            Some(self.event.header().gid)
        }
    }

    /// Whose users and groups count.
    fn place(&self) -> Place<'_> {
        let container = self.version().map(|v| &v.container.id);
        Place { container, key: self.event.key, bump: self.at.bump }
    }

    fn user_known_as(&self, uid: u32) -> UserRef<'_> {
        self.at.users.user_of(self.place(), uid).unwrap_or(NOBODY)
    }

    /// Name of a user that the event names.
    pub(super) fn user_name(&self, uid: u32) -> Option<&[u8]> {
        self.at.users.user_of(self.place(), uid).map(|user| user.name)
    }

    /// Name of a group that the event names.
    pub(super) fn group_name(&self, gid: u32) -> Option<&[u8]> {
        self.at.users.group_of(self.place(), gid)
    }

    pub(super) fn user(&self, field: Field) -> Option<Value<'_>> {
        let user = || Some(self.user_known_as(self.uid()?));
        Some(match field {
            Field::UserUid => Value::U64(u64::from(self.uid()?)),
            Field::UserName => Value::Bytes(user()?.name),
            Field::UserHomedir => Value::Bytes(user()?.homedir),
            Field::UserShell => Value::Bytes(user()?.shell),
            Field::UserLoginuid => match self.version()?.ids.loginuid {
                u32::MAX => Value::I64(-1),
                uid => Value::I64(i64::from(uid)),
            },
            Field::UserLoginname => {
                Value::Bytes(self.user_known_as(self.version()?.ids.loginuid).name)
            }
            Field::GroupGid => Value::U64(u64::from(self.gid()?)),
            Field::GroupName => Value::Bytes(self.group_name(self.gid()?).unwrap_or(NA)),
        })
    }
}
