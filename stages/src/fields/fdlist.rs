//! `fdlist.*`: the descriptors that `poll` was asked about. Only recordings have such events.

use std::net::IpAddr;

use bumpalo::collections::Vec as BumpVec;
use event::{DescriptorFacts, ParamType, descriptor_flags as flag};
use rules::{FdListField as Field, Value};

use super::EventFields;
use super::digits::{put_decimal, put_ip, put_signed};
use super::recorded;
use super::render::fd_list;
use super::user::NA;

impl EventFields<'_> {
    /// What the list's descriptors have of it, with commas between; nothing of those that have none.
    pub(super) fn fdlist(&self, field: Field) -> Option<Value<'_>> {
        let params = self.event.frame.event_type().info()?.params;
        let at = params.iter().position(|p| p.ty == ParamType::FdList)?;
        let mut all = BumpVec::new_in(self.at.bump);
        for (fd, _) in fd_list(self.event.frame.param(at)?) {
            let (start, facts) = (all.len(), self.recorded_as(fd));
            if start > 0 {
                all.push(b',');
            }
            let end = all.len();
            match field {
                Field::FdlistNums => put_signed(&mut all, fd),
                Field::FdlistNames => all.extend_from_slice_copy(match &facts {
                    Some(facts) if !facts.name.is_empty() => facts.name,
                    _ => NA,
                }),
                Field::FdlistCips => put_end(&mut all, connection(facts), 0, put_ip_of),
                Field::FdlistCports => put_end(&mut all, connection(facts), 0, put_port_of),
                Field::FdlistSips => put_end(&mut all, facts, 1, put_ip_of),
                Field::FdlistSports => put_end(&mut all, connection(facts), 1, put_port_of),
            }
            if all.len() == end {
                all.truncate(start);
            }
        }
        (!all.is_empty()).then(|| Value::Bytes(all.into_bump_slice()))
    }
}

type End = (IpAddr, u16);

/// A socket with two ends.
fn connection(facts: Option<DescriptorFacts<'_>>) -> Option<DescriptorFacts<'_>> {
    facts.filter(|facts| facts.flags & flag::SERVER_SOCKET == 0)
}

fn put_end(
    out: &mut BumpVec<'_, u8>,
    facts: Option<DescriptorFacts<'_>>,
    n: usize,
    put: fn(&mut BumpVec<'_, u8>, End),
) {
    if let Some(end) = facts.and_then(|facts| recorded::ends(&facts)[n]) {
        put(out, end);
    }
}

fn put_ip_of(out: &mut BumpVec<'_, u8>, (ip, _): End) {
    put_ip(out, ip);
}

fn put_port_of(out: &mut BumpVec<'_, u8>, (_, port): End) {
    put_decimal(out, u64::from(port));
}
