//! Answers of name servers: what a process received from port 53.

use std::net::IpAddr;

use event::{EventSet, EventType, Frame, SockTuple, descriptor_flags};
use simple_dns::rdata::RData;
use simple_dns::{Packet, PacketFlag};

use super::params;

/// The port of name servers.
const DOMAIN: u16 = 53;
/// Links from one name to the next that are followed.
const MAX_LINKS: usize = 16;
/// Addresses taken from one answer.
const MAX_ADDRESSES: usize = 64;

/// Events with which answers come.
#[must_use]
pub fn answering() -> EventSet {
    [
        EventType::READ_X,
        EventType::READV_X,
        EventType::RECV_X,
        EventType::RECVFROM_X,
        EventType::RECVMSG_X,
        EventType::RECVMMSG_X,
    ]
    .into_iter()
    .collect()
}

/// What a frame says of names: the addresses of the name that was asked for. Empty where it is no answer.
pub(crate) fn answer_of(frame: &Frame<'_>) -> Vec<(IpAddr, String)> {
    bytes_from_server(frame).map(names).unwrap_or_default()
}

/// What was received, where it came from a name server.
fn bytes_from_server<'a>(frame: &Frame<'a>) -> Option<&'a [u8]> {
    let p: [&[u8]; 6] = params(frame);
    let (data, tuple) = match frame.event_type() {
        EventType::RECVFROM_X => (p[1], Some(p[2])),
        EventType::RECV_X => (p[1], Some(p[4])),
        EventType::RECVMSG_X => (p[2], Some(p[3])),
        EventType::RECVMMSG_X => (p[3], Some(p[4])),
        EventType::READ_X => (p[1], None),
        EventType::READV_X => (p[2], None),
        _ => return None,
    };
    if data.len() < 12 {
        return None;
    }
    let of_tuple = tuple.and_then(SockTuple::decode).and_then(|tuple| match tuple {
        SockTuple::Inet { source, .. } => Some(source.port()),
        SockTuple::Unix { .. } | SockTuple::Other(_) => None,
    });
    let port = of_tuple.or_else(|| peer_port(frame))?;
    (port == DOMAIN).then_some(data)
}

/// Port of the other end, as the identity of the descriptor has it.
fn peer_port(frame: &Frame<'_>) -> Option<u16> {
    let trailer = frame.trailer();
    if let Some(sock) = trailer.sock() {
        return Some(sock.remote_port);
    }
    let facts = trailer.descriptor()?;
    (facts.flags & descriptor_flags::CLIENT != 0).then_some(facts.server_port)
}

/// The addresses of an answer, each with the name that was asked for and those that it stands for.
fn names(bytes: &[u8]) -> Vec<(IpAddr, String)> {
    let Ok(packet) = Packet::parse(bytes) else { return Vec::new() };
    if !packet.has_flags(PacketFlag::RESPONSE) {
        return Vec::new();
    }
    let [question] = &*packet.questions else { return Vec::new() };
    // The answer may name another one first: the chain is followed from the question on.
    let mut of_question = vec![question.qname.to_string().to_ascii_lowercase()];
    let mut found = Vec::new();
    while of_question.len() < MAX_LINKS {
        let last = of_question.last().cloned().unwrap_or_default();
        let next = packet.answers.iter().find_map(|record| match &record.rdata {
            RData::CNAME(to) if record.name.to_string().eq_ignore_ascii_case(&last) => {
                Some(to.0.to_string().to_ascii_lowercase())
            }
            _ => None,
        });
        match next {
            Some(next) if !of_question.contains(&next) => of_question.push(next),
            _ => break,
        }
    }
    for record in &packet.answers {
        let address = match &record.rdata {
            RData::A(a) => IpAddr::from(a.address.to_be_bytes()),
            RData::AAAA(a) => IpAddr::from(a.address.to_be_bytes()),
            _ => continue,
        };
        let owner = record.name.to_string().to_ascii_lowercase();
        if !of_question.contains(&owner) || found.len() >= MAX_ADDRESSES {
            continue;
        }
        found.push((address, of_question[0].clone()));
        if owner != of_question[0] {
            found.push((address, owner));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use event::{FrameHeader, FrameWriter};
    use simple_dns::rdata::{A, CNAME};
    use simple_dns::{CLASS, Name, QCLASS, QTYPE, Question, ResourceRecord, TYPE};

    use super::*;

    fn record<'a>(name: &'a str, data: RData<'a>) -> ResourceRecord<'a> {
        ResourceRecord::new(Name::new(name).unwrap(), CLASS::IN, 60, data)
    }

    fn packet(question: &'static str, answers: Vec<ResourceRecord<'static>>) -> Vec<u8> {
        let mut packet = Packet::new_reply(7);
        let name = Name::new(question).unwrap();
        packet.questions.push(Question::new(
            name,
            QTYPE::TYPE(TYPE::A),
            QCLASS::CLASS(CLASS::IN),
            false,
        ));
        packet.answers = answers;
        packet.build_bytes_vec_compressed().unwrap()
    }

    fn a(n: u8) -> RData<'static> {
        RData::A(A { address: u32::from_be_bytes([10, 0, 0, n]) })
    }

    #[test]
    fn names_along_the_chain_are_those_of_the_addresses() {
        let to = |name| RData::CNAME(CNAME(Name::new(name).unwrap()));
        let answers = vec![
            record("www.example", to("cdn.example")),
            record("cdn.example", a(1)),
            record("cdn.example", a(2)),
            // What was not asked for is not believed.
            record("bank.example", a(3)),
        ];
        let found = names(&packet("WWW.example", answers));
        let found: Vec<String> = found.iter().map(|(ip, name)| format!("{ip} {name}")).collect();
        assert_eq!(
            found,
            [
                "10.0.0.1 www.example",
                "10.0.0.1 cdn.example",
                "10.0.0.2 www.example",
                "10.0.0.2 cdn.example"
            ]
        );
    }

    #[test]
    fn chains_in_a_circle_end() {
        let to = |name| RData::CNAME(CNAME(Name::new(name).unwrap()));
        let answers = vec![
            record("a.example", to("b.example")),
            record("b.example", to("a.example")),
            record("b.example", a(1)),
        ];
        assert_eq!(names(&packet("a.example", answers)).len(), 2);
    }

    #[test]
    fn damaged_answers_say_nothing() {
        let whole = packet("a.example", vec![record("a.example", a(1))]);
        assert_eq!(names(&whole).len(), 1);
        for n in 0..whole.len() {
            assert_eq!(names(&whole[..n]), [], "cut at {n}");
        }
        for n in 0..whole.len() {
            for bit in 0..8 {
                let mut bent = whole.clone();
                bent[n] ^= 1 << bit;
                assert!(names(&bent).len() <= 2 * MAX_ADDRESSES);
            }
        }
    }

    fn received(from: u16, data: &[u8]) -> Vec<u8> {
        let header = FrameHeader { event_type: EventType::RECVFROM_X.0, ..Default::default() };
        let mut buf = vec![0; 4096];
        let mut tuple = vec![2, 10, 0, 0, 53];
        tuple.extend(from.to_le_bytes());
        tuple.extend([10, 0, 0, 9]);
        tuple.extend(4000u16.to_le_bytes());
        let mut w = FrameWriter::new(&mut buf, header);
        w.i64(data.len() as i64).bytes(data).bytes(&tuple).i64(3).u32(2048);
        w.finish().unwrap().to_vec()
    }

    #[test]
    fn only_name_servers_are_heard() {
        let data = packet("a.example", vec![record("a.example", a(1))]);
        let of = |port| answer_of(&Frame::parse(&received(port, &data)).unwrap()).len();
        assert_eq!((of(53), of(54)), (1, 0));
    }
}
