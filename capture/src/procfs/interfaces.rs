//! The network interfaces of the running machine. Holds a system library's list, so the file is unsafe.

use std::{
    ffi::CStr,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::savefile::Interface;

/// An address of either family; `None` for others and where there is none.
fn ip(addr: *const libc::sockaddr) -> Option<IpAddr> {
    if addr.is_null() {
        return None;
    }
    // SAFETY: the list's addresses are as long as their family says, which every socket address begins with; the structures are read
    // unaligned.
    unsafe {
        match i32::from((&raw const (*addr).sa_family).read_unaligned()) {
            libc::AF_INET => {
                let v4 = addr.cast::<libc::sockaddr_in>().read_unaligned();
                Some(Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes()).into())
            }
            libc::AF_INET6 => {
                let v6 = addr.cast::<libc::sockaddr_in6>().read_unaligned();
                Some(Ipv6Addr::from(v6.sin6_addr.s6_addr).into())
            }
            _ => None,
        }
    }
}

/// Lists them, one entry for each address.
///
/// # Errors
/// Where the system cannot say.
pub fn interfaces() -> std::io::Result<Vec<Interface>> {
    let mut first: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: the pointer is to a place for the list's head; the list is freed below.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    let mut out = Vec::new();
    let mut at = first;
    while !at.is_null() {
        // SAFETY: `at` is an entry of the list, which is not freed yet.
        let entry = unsafe { &*at };
        at = entry.ifa_next;
        let Some(addr) = ip(entry.ifa_addr) else { continue };
        let none: IpAddr = match addr {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let of_family =
            |ip: Option<IpAddr>| ip.filter(|ip| ip.is_ipv4() == addr.is_ipv4()).unwrap_or(none);
        let has_broadcast = entry.ifa_flags & libc::IFF_BROADCAST as u32 != 0;
        // SAFETY: an entry has a name that ends with a NUL.
        let name = unsafe { CStr::from_ptr(entry.ifa_name) }.to_bytes().to_vec();
        out.push(Interface {
            name,
            addr,
            mask: of_family(ip(entry.ifa_netmask)),
            // Without the flag it is the other end of a line.
            broadcast: of_family(ip(entry.ifa_ifu).filter(|_| has_broadcast)),
            link_speed: Some(0),
        });
    }
    // SAFETY: the list is of `getifaddrs`, and nothing of it is used any more.
    unsafe { libc::freeifaddrs(first) };
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_there() {
        let list = interfaces().unwrap();
        let lo = list.iter().find(|i| i.addr == IpAddr::from([127, 0, 0, 1])).expect("a loopback");
        assert_eq!((&lo.name[..], lo.mask), (&b"lo"[..], IpAddr::from([255, 0, 0, 0])));
    }
}
