//! Names of error numbers, as x86-64 and arm64 have them (`include/uapi/asm-generic/errno.h`).

/// Name of an errno, given as a positive number.
pub(super) fn errno_name(errno: i64) -> Option<&'static str> {
    let errno = usize::try_from(errno).ok()?;
    let of_the_kernel = || KERNEL_NAMES.get(errno.checked_sub(FIRST_OF_THE_KERNEL)?);
    let name = *NAMES.get(errno).or_else(of_the_kernel)?;
    (!name.is_empty()).then_some(name)
}

/// The error number with this name, positive.
#[must_use]
pub fn errno_named(name: &str) -> Option<i64> {
    let of_the_kernel = || Some(position(&KERNEL_NAMES, name)? + FIRST_OF_THE_KERNEL as i64);
    position(&NAMES, name).or_else(of_the_kernel)
}

/// Index of a name that is not empty.
pub(super) fn position(names: &[&str], name: &str) -> Option<i64> {
    let found = names.iter().position(|&n| !n.is_empty() && n == name)?;
    i64::try_from(found).ok()
}

#[rustfmt::skip]
const NAMES: [&str; 133] = [
    "", "EPERM", "ENOENT", "ESRCH", "EINTR", "EIO", "ENXIO", "E2BIG", "ENOEXEC", "EBADF", "ECHILD", "EAGAIN",
    "ENOMEM", "EACCES", "EFAULT", "ENOTBLK", "EBUSY", "EEXIST", "EXDEV", "ENODEV", "ENOTDIR", "EISDIR",
    "EINVAL", "ENFILE", "EMFILE", "ENOTTY", "ETXTBSY", "EFBIG", "ENOSPC", "ESPIPE", "EROFS", "EMLINK",
    "EPIPE", "EDOM", "ERANGE", "EDEADLK", "ENAMETOOLONG", "ENOLCK", "ENOSYS", "ENOTEMPTY", "ELOOP", "",
    "ENOMSG", "EIDRM", "ECHRNG", "EL2NSYNC", "EL3HLT", "EL3RST", "ELNRNG", "EUNATCH", "ENOCSI", "EL2HLT",
    "EBADE", "EBADR", "EXFULL", "ENOANO", "EBADRQC", "EBADSLT", "", "EBFONT", "ENOSTR", "ENODATA", "ETIME",
    "ENOSR", "ENONET", "ENOPKG", "EREMOTE", "ENOLINK", "EADV", "ESRMNT", "ECOMM", "EPROTO", "EMULTIHOP",
    "EDOTDOT", "EBADMSG", "EOVERFLOW", "ENOTUNIQ", "EBADFD", "EREMCHG", "ELIBACC", "ELIBBAD", "ELIBSCN",
    "ELIBMAX", "ELIBEXEC", "EILSEQ", "ERESTART", "ESTRPIPE", "EUSERS", "ENOTSOCK", "EDESTADDRREQ",
    "EMSGSIZE", "EPROTOTYPE", "ENOPROTOOPT", "EPROTONOSUPPORT", "ESOCKTNOSUPPORT", "EOPNOTSUPP",
    "EPFNOSUPPORT", "EAFNOSUPPORT", "EADDRINUSE", "EADDRNOTAVAIL", "ENETDOWN", "ENETUNREACH", "ENETRESET",
    "ECONNABORTED", "ECONNRESET", "ENOBUFS", "EISCONN", "ENOTCONN", "ESHUTDOWN", "ETOOMANYREFS", "ETIMEDOUT",
    "ECONNREFUSED", "EHOSTDOWN", "EHOSTUNREACH", "EALREADY", "EINPROGRESS", "ESTALE", "EUCLEAN", "ENOTNAM",
    "ENAVAIL", "EISNAM", "EREMOTEIO", "EDQUOT", "ENOMEDIUM", "EMEDIUMTYPE", "ECANCELED", "ENOKEY",
    "EKEYEXPIRED", "EKEYREVOKED", "EKEYREJECTED", "EOWNERDEAD", "ENOTRECOVERABLE", "ERFKILL",
];

/// What only the kernel says to itself, and what a tracer of calls may see (`include/linux/errno.h`).
const FIRST_OF_THE_KERNEL: usize = 512;
#[rustfmt::skip]
const KERNEL_NAMES: [&str; 19] = [
    "ERESTARTSYS", "ERESTARTNOINTR", "ERESTARTNOHAND", "ENOIOCTLCMD", "ERESTART_RESTARTBLOCK", "", "", "", "",
    "EBADHANDLE", "ENOTSYNC", "EBADCOOKIE", "ENOTSUPP", "ETOOSMALL", "ESERVERFAULT", "EBADTYPE", "EJUKEBOX",
    "EIOCBQUEUED", "EIOCBRETRY",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_lead_to_each_other() {
        for (errno, name) in [
            (1, "EPERM"),
            (133, ""),
            (512, "ERESTARTSYS"),
            (514, "ERESTARTNOHAND"),
            (530, "EIOCBRETRY"),
        ] {
            assert_eq!(errno_name(errno).unwrap_or_default(), name);
            assert_eq!(errno_named(name), (!name.is_empty()).then_some(errno));
        }
        assert_eq!((errno_name(517), errno_name(531), errno_name(-1)), (None, None, None));
    }
}
