//! The compiled kernel side as it is loaded: without the numbers of its source lines, and with the running kernel's numbers of the functions that it calls.
//!
//! The lines are as much as the instructions, the loader keeps a copy for each program that uses a function, and only the verifier's log shows them.
//! What the functions are called and take stays: the kernel wants it.

/// `BPF_JMP | BPF_CALL`, and the register field of a call of a function of the kernel (`BPF_PSEUDO_KFUNC_CALL`).
const CALL: u8 = 0x85;
const OF_KERNEL: u8 = 2 << 4;

/// The section with what is known of instructions (Documentation/bpf/btf.rst of the kernel tree).
const SECTION: &[u8] = b".BTF.ext\0";
const MAGIC: u16 = 0xeb9f;
/// Where the section's header says how many bytes of it are of lines.
const LINES_LEN_AT: usize = 20;

/// The object without them; as it is where it has none, or is no object.
pub(super) fn without_lines(object: &[u8]) -> Vec<u8> {
    let mut object = object.to_vec();
    if let Some(at) = lines_len(&object)
        && let Some(len) = object.get_mut(at..at + 4)
    {
        len.fill(0);
    }
    object
}

/// Puts the number of the kernel's function in place of what stands for it in every call of it; gives how many there are.
pub(super) fn set_call(object: &mut [u8], stands_for_it: i32, function: u32) -> usize {
    let mut placeholder = [CALL, 0, 0, 0, 0, 0, 0, 0];
    placeholder[4..].copy_from_slice(&stands_for_it.to_le_bytes());
    let mut call = [CALL, OF_KERNEL, 0, 0, 0, 0, 0, 0];
    call[4..].copy_from_slice(&function.to_le_bytes());
    // Sections of instructions are aligned to them.
    let calls = object.chunks_exact_mut(8).filter(|instruction| *instruction == placeholder);
    calls.map(|instruction| instruction.copy_from_slice(&call)).count()
}

/// Where the object says how many bytes are of lines. Its headers are those of ELF for 64 bits, little endian.
fn lines_len(object: &[u8]) -> Option<usize> {
    let u16_at = |at: usize| Some(u16::from_le_bytes(*object.get(at..)?.first_chunk()?));
    let u32_at = |at: usize| Some(u32::from_le_bytes(*object.get(at..)?.first_chunk()?));
    let u64_at = |at: usize| Some(u64::from_le_bytes(*object.get(at..)?.first_chunk()?));
    let sections = usize::try_from(u64_at(0x28)?).ok()?;
    let (len, n, names) = (u16_at(0x3a)?, u16_at(0x3c)?, u16_at(0x3e)?);
    let section = |n: u16| sections.checked_add(usize::from(n) * usize::from(len));
    let start = |section: usize| usize::try_from(u64_at(section.checked_add(0x18)?)?).ok();
    let names = start(section(names)?)?;
    let is_wanted = |section: &usize| {
        let name = u32_at(*section).and_then(|name| names.checked_add(name as usize));
        name.and_then(|at| object.get(at..)).is_some_and(|name| name.starts_with(SECTION))
    };
    let at = start((0..n).filter_map(section).find(is_wanted)?)?;
    let at_end = at.checked_add(LINES_LEN_AT)?;
    (u16_at(at)? == MAGIC).then_some(at_end)
}

#[cfg(test)]
mod tests {
    use aya_obj::Object;
    use event::CAST_CALL;

    use super::*;
    use crate::kernel::load::OBJECT;

    #[test]
    fn lines_go_and_what_functions_are_stays() {
        let with = Object::parse(OBJECT).unwrap();
        let without = Object::parse(&without_lines(OBJECT)).unwrap();
        let n = |object: &Object| {
            let of = |f: &aya_obj::Function| (f.func_info.num_info, f.line_info.num_info);
            object.functions.values().map(of).fold((0, 0), |n, f| (n.0 + f.0, n.1 + f.1))
        };
        assert!(n(&with).1 > 1000, "{:?}", n(&with));
        assert_eq!(n(&without), (n(&with).0, 0));
    }

    #[test]
    fn every_call_of_the_cast_gets_its_number() {
        let mut object = without_lines(OBJECT);
        let n = set_call(&mut object, CAST_CALL, 77);
        assert!(n > 100, "{n}");
        assert_eq!(set_call(&mut object, CAST_CALL, 78), 0);
        let calls = |object: &Object| {
            let of = |f: &aya_obj::Function| {
                f.instructions.iter().filter(|i| i.code == CALL && i.src_reg() == 2).count()
            };
            object.functions.values().map(of).sum::<usize>()
        };
        assert_eq!(calls(&Object::parse(&object).unwrap()), n);
    }

    #[test]
    fn what_is_no_object_stays_as_it_is() {
        assert_eq!(without_lines(b""), b"");
        let mut cut = OBJECT[..100].to_vec();
        assert_eq!(without_lines(&cut), cut);
        // Sections that lie nowhere.
        cut[0x28..0x30].fill(0xff);
        assert_eq!(without_lines(&cut), cut);
    }
}
