//! `user.*` and `group.*`.

use rules::{UserField as Field, Value};

use super::EventFields;

/// What some fields give where nothing is known: text, not a missing value.
pub(super) const NA: &[u8] = b"<NA>";

impl EventFields<'_> {
    fn uid(&self) -> Option<u32> {
        if self.event.is_from_file() {
            self.version().map(|v| v.ids.uid)
        } else {
            Some(self.event.header().uid)
        }
    }

    fn gid(&self) -> Option<u32> {
        if self.event.is_from_file() {
            self.version().map(|v| v.ids.gid)
        } else {
            Some(self.event.header().gid)
        }
    }

    pub(super) fn user(&self, field: Field) -> Option<Value<'_>> {
        let users = self.at.users;
        Some(match field {
            Field::UserUid => Value::U64(u64::from(self.uid()?)),
            Field::UserName => Value::Bytes(users.user_name(self.uid()?)?),
            Field::UserHomedir => Value::Bytes(&users.user(self.uid()?)?.homedir),
            Field::UserShell => Value::Bytes(users.user(self.uid()?).map_or(NA, |u| &u.shell)),
            Field::UserLoginuid => match self.version()?.ids.loginuid {
                u32::MAX => Value::I64(-1),
                uid => Value::I64(i64::from(uid)),
            },
            Field::UserLoginname => {
                Value::Bytes(users.user_name(self.version()?.ids.loginuid).unwrap_or(NA))
            }
            Field::GroupGid => Value::U64(u64::from(self.gid()?)),
            Field::GroupName => Value::Bytes(users.group(self.gid()?).unwrap_or(NA)),
        })
    }
}
