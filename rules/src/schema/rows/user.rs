//! The fields of `user` and `group`. Facts of falcosecurity/libs; the descriptions are ours.

macro_rules! user_rows {
    ($next:ident $($then:ident)* { $($done:tt)* }) => {
        $next! { $($then)* { $($done)*
family User UserField {
    User {
        + UserUid "user.uid" U32 None One Plain [] "Id of the user.";
        + UserName "user.name" Text None One Plain [] "Name of the user.";
        + UserHomedir "user.homedir" Text None One Plain [] "Home directory of the user.";
        + UserShell "user.shell" Text None One Plain [] "Login shell of the user, <NA> where it is not known.";
        + UserLoginuid "user.loginuid" I64 None One Plain [] "Id of the user that logged in, whatever id the process has now; -1 where nobody did.";
        + UserLoginname "user.loginname" Text None One Plain [] "Name of the user that logged in, <NA> where it is not known.";
    }
    Group {
        + GroupGid "group.gid" U32 None One Plain [] "Id of the group.";
        + GroupName "group.name" Text None One Plain [] "Name of the group, <NA> where it is not known.";
    }
}
        } }
    };
}
