//! The fields of `fs.path`. Facts of falcosecurity/libs; the descriptions are ours.

macro_rules! fs_path_rows {
    ($next:ident $($then:ident)* { $($done:tt)* }) => {
        $next! { $($then)* { $($done)*
family FsPath FsPathField {
    FsPath {
        + FsPathName "fs.path.name" Text None One Plain [] "Absolute path that a call on the file system names.";
        + FsPathNameraw "fs.path.nameraw" Text None One Plain [] "Path that a call on the file system names, as it was given.";
        + FsPathSource "fs.path.source" Text None One Plain [] "Absolute path that a call on the file system starts from: of a rename, a link, a mount.";
        + FsPathSourceraw "fs.path.sourceraw" Text None One Plain [] "fs.path.source as it was given.";
        + FsPathTarget "fs.path.target" Text None One Plain [] "Absolute path that a call on the file system leads to: of a rename, a link, a mount.";
        + FsPathTargetraw "fs.path.targetraw" Text None One Plain [] "fs.path.target as it was given.";
    }
}
        } }
    };
}
