//! Interface lists, versions 1 and 2: the network interfaces of the recorded machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    bytes::{Body, Bytes, Cut},
    list_room::{ListEntry, ListRoom},
};

const MAX_NAME: usize = 15;
const IPV4: u16 = 1;
const IPV6: u16 = 2;
/// As the two above, without a speed.
const IPV4_NO_SPEED: u16 = 3;
const IPV6_NO_SPEED: u16 = 4;

/// A network interface of the recorded machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Name.
    pub name: Vec<u8>,
    /// Address.
    pub addr: IpAddr,
    /// Mask of its network, of the address's family.
    pub mask: IpAddr,
    /// Broadcast address, of the address's family.
    pub broadcast: IpAddr,
    /// Speed in bits a second; absent in old files.
    pub link_speed: Option<u64>,
}

impl ListEntry for Interface {
    const N_TEXTS: usize = 1;
}

fn entry(b: &mut Bytes<'_>) -> Result<Option<Interface>, Cut> {
    let (number, n_name) = (b.u16()?, usize::from(b.u16()?));
    let ip = |b: &mut Bytes<'_>| -> Result<IpAddr, Cut> {
        Ok(match number {
            IPV4 | IPV4_NO_SPEED => Ipv4Addr::from(b.array::<4>()?).into(),
            _ => Ipv6Addr::from(b.array::<16>()?).into(),
        })
    };
    if !(IPV4..=IPV6_NO_SPEED).contains(&number) {
        return Ok(None);
    }
    let (addr, mask, broadcast) = (ip(b)?, ip(b)?, ip(b)?);
    let link_speed = if number <= IPV6 { Some(b.u64()?) } else { None };
    let name = b.take(n_name)?.to_vec();
    Ok(Some(Interface { name, addr, mask, broadcast, link_speed }))
}

/// Every interface of a block's body.
pub(super) fn parse(
    is_v2: bool,
    body: &[u8],
    out: &mut Vec<Interface>,
    room: &mut ListRoom,
) -> Result<(), Cut> {
    let mut b = Bytes(body);
    // Up to three bytes of padding stand behind the last entry.
    while b.len() >= 4 {
        let n_before = b.len();
        let found = if is_v2 {
            // This length alone, of all in the format, does not count itself.
            let len = b.u32()? as usize;
            entry(&mut Bytes(b.take(len)?))?
        } else {
            // Without a length nothing unknown can be passed over.
            Some(entry(&mut b)?.ok_or(Cut)?)
        };
        if let Some(interface) = found {
            room.keep(out, interface, n_before - b.len());
        }
    }
    Ok(())
}

/// Writes a list in version 2. Addresses of mixed families have no place in it.
pub(super) fn write(interfaces: &[Interface], body: &mut Body) {
    for Interface { name, addr, mask, broadcast, link_speed } in interfaces {
        let number = match (addr, link_speed) {
            (IpAddr::V4(_), Some(_)) => IPV4,
            (IpAddr::V6(_), Some(_)) => IPV6,
            (IpAddr::V4(_), None) => IPV4_NO_SPEED,
            (IpAddr::V6(_), None) => IPV6_NO_SPEED,
        };
        let addresses = [addr, mask, broadcast];
        if addresses.iter().any(|a| a.is_ipv4() != addr.is_ipv4()) {
            continue;
        }
        let name = &name[..name.len().min(MAX_NAME)];
        let n_addresses: usize = if addr.is_ipv4() { 12 } else { 48 };
        let n_speed = if link_speed.is_some() { 8 } else { 0 };
        body.u32((4 + n_addresses + n_speed + name.len()) as u32);
        body.u16(number).u16(name.len() as u16);
        for address in addresses {
            match address {
                IpAddr::V4(ip) => body.bytes(&ip.octets()),
                IpAddr::V6(ip) => body.bytes(&ip.octets()),
            };
        }
        if let Some(speed) = link_speed {
            body.u64(*speed);
        }
        body.bytes(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Interface> {
        let interface = |name: &[u8], [a, m, b]: [&str; 3], link_speed| Interface {
            name: name.to_vec(),
            addr: a.parse().unwrap(),
            mask: m.parse().unwrap(),
            broadcast: b.parse().unwrap(),
            link_speed,
        };
        let v4 = ["10.0.0.5", "255.255.255.0", "10.0.0.255"];
        let v6 = ["fe80::1", "ffff:ffff:ffff:ffff::", "::"];
        vec![
            interface(b"eth0", v4, Some(1_000_000_000)),
            interface(b"eth0", v6, Some(0)),
            interface(b"lo", v4, None),
            interface(b"lo", v6, None),
        ]
    }

    fn bytes(list: &[Interface]) -> Vec<u8> {
        let mut body = Body::default();
        write(list, &mut body);
        body.0
    }

    fn read(is_v2: bool, body: &[u8]) -> Result<Vec<Interface>, Cut> {
        let mut out = Vec::new();
        parse(is_v2, body, &mut out, &mut ListRoom::new()).map(|()| out)
    }

    #[test]
    fn every_type_survives_both_versions() {
        let v2 = bytes(&all());
        assert_eq!(read(true, &[&v2[..], &[0; 2]].concat()), Ok(all()));
        let v1: Vec<u8> =
            all().iter().flat_map(|i| bytes(std::slice::from_ref(i))[4..].to_vec()).collect();
        assert_eq!(read(false, &v1), Ok(all()));
    }

    #[test]
    fn an_unknown_type_is_passed_over_where_it_has_a_length() {
        let unknown = [6u32.to_le_bytes().as_slice(), &[9, 0, 0, 0, 1, 2]].concat();
        let body = [unknown.clone(), bytes(&all())].concat();
        assert_eq!(read(true, &body), Ok(all()));
        assert_eq!(read(false, &unknown[4..]), Err(Cut));
    }

    #[test]
    fn a_length_beyond_the_block_is_damage() {
        let mut body = bytes(&all()[..1]);
        body[0] += 1;
        assert_eq!(read(true, &body), Err(Cut));
        assert_eq!(read(true, &u32::MAX.to_le_bytes()), Err(Cut));
    }
}
