//! What a thread and its process use: memory, CPU time, descriptors, control groups. Only recordings tell it.

use bumpalo::collections::Vec as BumpVec;
use event::{ResourceFacts, resource_facts};
use rules::{Arg, ProcField as Field, Value};

use super::EventFields;
use super::recorded::type_name;
use crate::state::strings;

/// Open descriptors as a percentage of the limit, where there is one.
fn usage(n_fds: u32, limit: i64) -> f64 {
    if limit <= 0 {
        return 0.0;
    }
    (f64::from(n_fds) * 100.0 / limit as f64).min(100.0)
}

/// The name that a subsystem of control groups goes by, without what some kernels add to it.
fn subsystem(name: &[u8]) -> &[u8] {
    match name.strip_suffix(b"_cgroup").unwrap_or(name) {
        b"perf" => b"perf_event",
        b"mem" => b"memory",
        b"io" => b"blkio",
        name => name,
    }
}

/// Subsystems and paths of a list of `subsystem=path`.
fn control_groups(list: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    strings(list).filter_map(|text| {
        let at = text.iter().position(|&b| b == b'=')?;
        Some((subsystem(&text[..at]), &text[at + 1..]))
    })
}

impl<'e> EventFields<'e> {
    fn resources(&self) -> Option<ResourceFacts<'e>> {
        self.event.frame.trailer().resources().filter(|_| self.event.is_from_file())
    }

    /// When the first process of the pid namespace started, ns since the epoch.
    pub(super) fn pidns_start(&self) -> Option<u64> {
        Some(self.resources()?.pidns_start_ns).filter(|&ns| ns != 0)
    }

    pub(super) fn resource(&self, field: Field, arg: &Arg) -> Option<Value<'_>> {
        let facts = self.resources()?;
        let header = self.event.header();
        let is_main = header.tid == header.tgid;
        let number = |n: u64| Some(Value::U64(n));
        let double = |x: f64| Some(Value::I64(x.to_bits() as i64));
        let share = |n: usize| {
            let percent = facts.knows(resource_facts::CPU).then_some(facts.cpu[n])?;
            double(f64::from(percent))
        };
        let of_main = |n: u64| number(if is_main { n } else { 0 });
        match field {
            Field::ProcFdopencount => number(u64::from(facts.n_fds)),
            Field::ProcFdlimit => Some(Value::I64(facts.fdlimit)),
            Field::ProcFdusage => double(usage(facts.n_fds, facts.fdlimit)),
            Field::ProcVmsize => number(u64::from(facts.vmsize_kb)),
            Field::ProcVmrss => number(u64::from(facts.vmrss_kb)),
            Field::ProcVmswap => number(u64::from(facts.vmswap_kb)),
            Field::ProcNthreads => number(u64::from(facts.n_threads)),
            Field::ProcNchilds => number(u64::from(facts.n_further_threads)),
            Field::ThreadPfmajor => number(facts.pfmajor),
            Field::ThreadPfminor => number(facts.pfminor),
            Field::ThreadExectime => number(facts.exec_ns),
            Field::ThreadTotexectime => number(facts.total_exec_ns),
            Field::ThreadCgroups => self.all_control_groups(facts.cgroups),
            Field::ThreadCgroup => {
                let Arg::Key(wanted) = arg else { return None };
                let found =
                    control_groups(facts.cgroups).find(|(name, _)| *name == wanted.as_bytes());
                found.map(|(_, path)| Value::Bytes(path))
            }
            Field::ThreadCpu => share(0),
            Field::ThreadCpuUser => share(1),
            Field::ThreadCpuSystem => share(2),
            Field::ThreadVmsize => of_main(u64::from(facts.vmsize_kb)),
            Field::ThreadVmrss => of_main(u64::from(facts.vmrss_kb)),
            Field::ThreadVmsizeB => of_main(u64::from(facts.vmsize_kb) * 1024),
            Field::ThreadVmrssB => of_main(u64::from(facts.vmrss_kb) * 1024),
            _ => None,
        }
    }

    fn all_control_groups(&self, list: &[u8]) -> Option<Value<'_>> {
        let mut all = BumpVec::with_capacity_in(list.len(), self.at.bump);
        for (name, path) in control_groups(list) {
            if !all.is_empty() {
                all.push(b' ');
            }
            all.extend_from_slice_copy(name);
            all.push(b'=');
            all.extend_from_slice_copy(path);
        }
        (!all.is_empty()).then(|| Value::Bytes(all.into_bump_slice()))
    }

    pub(super) fn standard_type(&self, fd: i64) -> Option<Value<'_>> {
        let facts = self.event.is_from_file().then(|| self.recorded_as(fd)).flatten()?;
        Some(Value::Bytes(type_name(facts.kind)))
    }

    pub(super) fn standard_name(&self, fd: i64) -> Option<Value<'_>> {
        let facts = self.event.is_from_file().then(|| self.recorded_as(fd)).flatten()?;
        Some(Value::Bytes(facts.name))
    }

    /// Gives the different types of the process's descriptors, or that of one; whether there is a list at all.
    pub(super) fn fd_types(&self, arg: &Arg, mut each: impl FnMut(Value<'_>)) -> bool {
        let kinds = self.event.frame.trailer().open_kinds().filter(|_| self.event.is_from_file());
        let Some(kinds) = kinds else { return false };
        let mut tell = |kind: u8| each(Value::Bytes(type_name(kind)));
        match arg {
            Arg::Index(fd) => kinds.of(*fd as usize).map(tell).is_some(),
            Arg::None | Arg::Key(_) => {
                kinds.distinct().iter().for_each(|&kind| tell(kind));
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_a_percentage_and_never_more_than_all() {
        for (n_fds, limit, expected) in
            [(256, 1024, 25.0), (9, 0, 0.0), (9, -1, 0.0), (9, 3, 100.0)]
        {
            assert!((usage(n_fds, limit) - expected).abs() < 1e-9, "{n_fds} of {limit}");
        }
    }

    #[test]
    fn control_groups_go_by_one_name() {
        let all: Vec<_> = control_groups(b"io=/a\0mem_cgroup=/b=c\0perf=/\0rest\0cpu=\0").collect();
        let expected: [(&[u8], &[u8]); 4] =
            [(b"blkio", b"/a"), (b"memory", b"/b=c"), (b"perf_event", b"/"), (b"cpu", b"")];
        assert_eq!(all, expected);
    }
}
