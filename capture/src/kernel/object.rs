//! The compiled kernel side without the numbers of its source lines.
//!
//! They are as much as the instructions, the loader keeps a copy for each program that uses a function, and only the verifier's log shows them.
//! What the functions are called and take stays: the kernel wants it.

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
    fn what_is_no_object_stays_as_it_is() {
        assert_eq!(without_lines(b""), b"");
        let mut cut = OBJECT[..100].to_vec();
        assert_eq!(without_lines(&cut), cut);
        // Sections that lie nowhere.
        cut[0x28..0x30].fill(0xff);
        assert_eq!(without_lines(&cut), cut);
    }
}
