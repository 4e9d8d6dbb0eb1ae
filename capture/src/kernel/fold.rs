//! Puts what is known when a program is loaded into its instructions: offsets of the running kernel, and what it can.
//!
//! Programs read both out of a frozen map. The verifier knows their values, and so takes dead branches away, but the loads stay, and what leads to them; and it
//! follows all of it in every round. Here each load becomes its value, branches on it go one way, and what nobody needs or reaches is left out.

use std::os::fd::RawFd;

use aya_obj::generated::bpf_insn;

use super::bpf::Code;

/// Registers that can be written; the frame pointer cannot.
const N_REGISTERS: usize = 10;

const CLASS: u8 = 7;
const LD: u8 = 0;
const LDX: u8 = 1;
const STX: u8 = 3;
const ALU: u8 = 4;
const JMP: u8 = 5;
const JMP32: u8 = 6;
const ALU64: u8 = 7;
/// The other operand is a register.
const BY_REGISTER: u8 = 8;
const OP: u8 = 0xf0;
const ADD: u8 = 0x00;
const SUB: u8 = 0x10;
const OR: u8 = 0x40;
const AND: u8 = 0x50;
const LSH: u8 = 0x60;
const RSH: u8 = 0x70;
const XOR: u8 = 0xa0;
const MOV: u8 = 0xb0;
const END: u8 = 0xd0;
const JA: u8 = 0x00;
const CALL: u8 = 0x80;
const EXIT: u8 = 0x90;
/// `BPF_LD | BPF_IMM | BPF_DW`, of two instructions.
const LOAD_64: u8 = 0x18;
/// `BPF_MEM` of a load, with its width in the bits of `WIDTH`.
const MEM: u8 = 0x60;
const MODE: u8 = 0xe0;
const WIDTH: u8 = 0x18;
/// What the number of a [`LOAD_64`] is: a place in a map's value, a function.
const MAP_VALUE: u8 = 2;
const FUNCTION: u8 = 4;
/// A call of a function of the program.
const OWN: u8 = 1;

/// The map whose value stays as it is.
#[derive(Debug)]
pub(super) struct Frozen {
    /// By which instructions name it.
    pub(super) fd: RawFd,
    pub(super) value: Vec<u8>,
}

/// What is known of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Nothing,
    Number(u64),
    /// Points to a place in the frozen value.
    Place(u64),
}

type Registers = [Known; N_REGISTERS];

/// Folds a program. The records of its functions begin with the number of a function's first instruction.
pub(super) fn fold(code: &mut Code, frozen: &Frozen) {
    let Code { instructions: code, functions, function_len, .. } = code;
    // What is no program the kernel is to say.
    if !is_program(code) {
        return;
    }
    let before = follow(code, frozen);
    for (n, known) in before.iter().enumerate() {
        if let Some(known) = known {
            simplify(&mut code[n], known, frozen);
        }
    }
    let mut kept: Vec<bool> = before.iter().map(Option::is_some).collect();
    for n in 0..code.len() {
        // The second half of a number of 64 bits.
        if kept[n] && code[n].code == LOAD_64 {
            kept[n + 1] = true;
        }
    }
    leave_out_unused(code, &mut kept);
    compact(code, &kept, functions, *function_len as usize);
}

fn len_of(insn: bpf_insn) -> usize {
    if insn.code == LOAD_64 { 2 } else { 1 }
}

fn is_jump(insn: bpf_insn) -> bool {
    matches!(insn.code & CLASS, JMP | JMP32) && !matches!(insn.code & OP, CALL | EXIT)
}

fn is_goto(insn: bpf_insn) -> bool {
    is_jump(insn) && insn.code & OP == JA
}

/// Whether all that the program jumps to and calls is in it, and nothing comes after its end.
fn is_program(code: &[bpf_insn]) -> bool {
    let writes = |insn: bpf_insn| matches!(insn.code & CLASS, LD | LDX | ALU | ALU64);
    let mut n = 0;
    while let Some(&insn) = code.get(n) {
        let is_last = n + len_of(insn) >= code.len();
        let by = if is_jump(insn) { jump(insn) } else { callee_of(insn).unwrap_or(0) };
        let to = n as i64 + 1 + by;
        let goes_out = is_jump(insn) || callee_of(insn).is_some();
        if goes_out && !(0..code.len() as i64).contains(&to)
            || is_last && !is_goto(insn) && insn.code != JMP | EXIT
            || writes(insn) && usize::from(insn.dst_reg()) >= N_REGISTERS
        {
            return false;
        }
        n += len_of(insn);
    }
    !code.is_empty()
}

fn at(n: usize, by: i64) -> usize {
    usize::try_from(n as i64 + 1 + by).expect("jumps stay in the program")
}

/// How far a jump goes beyond the next instruction.
fn jump(insn: bpf_insn) -> i64 {
    // A long jump has it in place of a number.
    let is_long = insn.code == JMP32 | JA;
    if is_long { insn.imm.into() } else { insn.off.into() }
}

/// Where a jump goes.
fn target(n: usize, insn: bpf_insn) -> usize {
    at(n, jump(insn))
}

/// How far beyond the next instruction the function of the program lies that an instruction names.
fn callee_of(insn: bpf_insn) -> Option<i64> {
    let calls = insn.code == JMP | CALL && insn.src_reg() == OWN;
    let points = insn.code == LOAD_64 && insn.src_reg() == FUNCTION;
    (calls || points).then(|| insn.imm.into())
}

/// That function.
fn callee(n: usize, insn: bpf_insn) -> Option<usize> {
    Some(at(n, callee_of(insn)?))
}

/// What is known before each instruction, nothing of one that is not reached.
fn follow(code: &[bpf_insn], frozen: &Frozen) -> Vec<Option<Registers>> {
    let mut before: Vec<Option<Registers>> = vec![None; code.len()];
    let mut left = vec![(0, [Known::Nothing; N_REGISTERS])];
    while let Some((mut n, mut known)) = left.pop() {
        loop {
            match &mut before[n] {
                Some(earlier) => {
                    let mut is_new = false;
                    for (earlier, now) in earlier.iter_mut().zip(known) {
                        if *earlier != now && *earlier != Known::Nothing {
                            *earlier = Known::Nothing;
                            is_new = true;
                        }
                    }
                    if !is_new {
                        break;
                    }
                    known = *earlier;
                }
                new => *new = Some(known),
            }
            let insn = code[n];
            if let Some(function) = callee(n, insn) {
                left.push((function, [Known::Nothing; N_REGISTERS]));
            }
            if insn.code == JMP | EXIT {
                break;
            }
            if is_jump(insn) {
                match goes(insn, &known) {
                    Some(true) => n = target(n, insn),
                    Some(false) => n += 1,
                    None => {
                        left.push((target(n, insn), known));
                        n += 1;
                    }
                }
                continue;
            }
            step(code, n, &mut known, frozen);
            n += len_of(insn);
        }
    }
    before
}

fn known_of(known: &Registers, register: u8) -> Known {
    known.get(usize::from(register)).copied().unwrap_or(Known::Nothing)
}

/// The other operand of an operation or a jump.
fn operand(insn: bpf_insn, known: &Registers) -> Known {
    if insn.code & BY_REGISTER != 0 {
        return known_of(known, insn.src_reg());
    }
    Known::Number(i64::from(insn.imm).cast_unsigned())
}

/// Whether a jump is taken, where that is known.
fn goes(insn: bpf_insn, known: &Registers) -> Option<bool> {
    if is_goto(insn) {
        return Some(true);
    }
    let (Known::Number(a), Known::Number(b)) =
        (known_of(known, insn.dst_reg()), operand(insn, known))
    else {
        return None;
    };
    let is_narrow = insn.code & CLASS == JMP32;
    let (a, b) = if is_narrow { (a & 0xffff_ffff, b & 0xffff_ffff) } else { (a, b) };
    let signed = |x: u64| if is_narrow { i64::from(x as i32) } else { x.cast_signed() };
    Some(match insn.code & OP {
        0x10 => a == b,
        0x20 => a > b,
        0x30 => a >= b,
        0x40 => a & b != 0,
        0x50 => a != b,
        0x60 => signed(a) > signed(b),
        0x70 => signed(a) >= signed(b),
        0xa0 => a < b,
        0xb0 => a <= b,
        0xc0 => signed(a) < signed(b),
        0xd0 => signed(a) <= signed(b),
        _ => return None,
    })
}

/// What an instruction that is no jump makes of what is known.
fn step(code: &[bpf_insn], n: usize, known: &mut Registers, frozen: &Frozen) {
    let insn = code[n];
    let to = usize::from(insn.dst_reg());
    match insn.code & CLASS {
        LD if insn.code == LOAD_64 => {
            let high = code[n + 1].imm;
            known[to] = match insn.src_reg() {
                0 => Known::Number(u64::from(insn.imm as u32) | u64::from(high as u32) << 32),
                MAP_VALUE if insn.imm == frozen.fd => Known::Place(u64::from(high as u32)),
                _ => Known::Nothing,
            };
        }
        LDX => known[to] = loaded(insn, known, frozen).map_or(Known::Nothing, Known::Number),
        ALU | ALU64 => known[to] = computed(insn, known),
        // Atomic operations may give what was there before.
        STX if insn.code & MODE == 0xc0 => {
            known[0] = Known::Nothing;
            if let Some(known) = known.get_mut(usize::from(insn.src_reg())) {
                *known = Known::Nothing;
            }
        }
        // Loads of packets write the first registers, too.
        JMP | LD => known[..6].fill(Known::Nothing),
        _ => {}
    }
}

/// What a load from a frozen map gives.
fn loaded(insn: bpf_insn, known: &Registers, frozen: &Frozen) -> Option<u64> {
    let Known::Place(place) = known_of(known, insn.src_reg()) else { return None };
    if insn.code & MODE != MEM {
        return None;
    }
    let len = match insn.code & WIDTH {
        0x00 => 4,
        0x08 => 2,
        0x10 => 1,
        _ => 8,
    };
    let place = usize::try_from(place.checked_add_signed(i64::from(insn.off))?).ok()?;
    let value = frozen.value.get(place..place.checked_add(len)?)?;
    let mut bytes = [0; 8];
    bytes[..len].copy_from_slice(value);
    Some(u64::from_le_bytes(bytes))
}

fn computed(insn: bpf_insn, known: &Registers) -> Known {
    let is_wide = insn.code & CLASS == ALU64;
    let (a, b) = (known_of(known, insn.dst_reg()), operand(insn, known));
    let op = insn.code & OP;
    // A move that extends a sign has its width there.
    if insn.off != 0 || op == END {
        return Known::Nothing;
    }
    let number = match (op, a, b) {
        (MOV, _, Known::Number(b)) => b,
        (MOV, _, b) if is_wide => return b,
        (ADD, Known::Place(place), Known::Number(b)) if is_wide => {
            return Known::Place(place.wrapping_add(b));
        }
        (ADD, Known::Number(a), Known::Number(b)) => a.wrapping_add(b),
        (SUB, Known::Number(a), Known::Number(b)) => a.wrapping_sub(b),
        (OR, Known::Number(a), Known::Number(b)) => a | b,
        (AND, Known::Number(a), Known::Number(b)) => a & b,
        (XOR, Known::Number(a), Known::Number(b)) => a ^ b,
        (LSH, Known::Number(a), Known::Number(b)) if is_wide => a << (b & 63),
        (RSH, Known::Number(a), Known::Number(b)) if is_wide => a >> (b & 63),
        _ => return Known::Nothing,
    };
    Known::Number(if is_wide { number } else { number & 0xffff_ffff })
}

/// Makes an instruction one of fewer operands, as far as that is known.
fn simplify(insn: &mut bpf_insn, known: &Registers, frozen: &Frozen) {
    match insn.code & CLASS {
        LDX => {
            if let Some(value) = loaded(*insn, known, frozen) {
                set(insn, value);
            }
        }
        ALU | ALU64 => {
            if let Known::Number(value) = computed(*insn, known) {
                set(insn, value);
                return;
            }
            let takes = matches!(insn.code & OP, ADD | SUB | OR | AND | XOR) && insn.off == 0;
            if takes
                && insn.code & BY_REGISTER != 0
                && let Known::Number(by) = operand(*insn, known)
                && let Ok(by) = i32::try_from(by.cast_signed())
            {
                insn.code &= !BY_REGISTER;
                insn.set_src_reg(0);
                insn.imm = by;
            }
        }
        _ if is_jump(*insn) && !is_goto(*insn) => {
            if let Some(goes) = goes(*insn, known) {
                insn.code = JMP | JA;
                insn.set_dst_reg(0);
                insn.set_src_reg(0);
                insn.imm = 0;
                if !goes {
                    insn.off = 0;
                }
            }
        }
        _ => {}
    }
}

/// Makes an instruction a move of a number, where one instruction can hold it.
fn set(insn: &mut bpf_insn, value: u64) {
    let class = match (i32::try_from(value.cast_signed()), u32::try_from(value)) {
        (Ok(_), _) => ALU64,
        (_, Ok(_)) => ALU,
        _ => return,
    };
    insn.code = class | MOV;
    insn.set_src_reg(0);
    insn.off = 0;
    insn.imm = value as i32;
}

/// Registers that an instruction reads, and the one that it writes and does nothing else, as bits.
fn uses(insn: bpf_insn) -> (u16, Option<u16>) {
    let (to, from) = (1u16 << insn.dst_reg(), 1u16 << insn.src_reg());
    let by = if insn.code & BY_REGISTER != 0 { from } else { 0 };
    match insn.code & CLASS {
        LD if insn.code == LOAD_64 => (0, Some(to)),
        LD => (0x7f, None),
        // What faults or is out of bounds is not looked for here.
        LDX => (from, None),
        ALU | ALU64 if insn.code & OP == MOV => (by, Some(to)),
        ALU | ALU64 if insn.code & OP == END => (to, Some(to)),
        ALU | ALU64 => (to | by, Some(to)),
        JMP | JMP32 => match insn.code & OP {
            CALL => (0x3e, None),
            EXIT => (1, None),
            JA => (0, None),
            _ => (to | by, None),
        },
        // An atomic exchange compares with the first.
        STX => (to | from | 1, None),
        _ => (to, None),
    }
}

/// Registers that are written whatever else the instruction does.
fn overwrites(insn: bpf_insn) -> u16 {
    match insn.code & CLASS {
        LDX => 1 << insn.dst_reg(),
        JMP if insn.code & OP == CALL => 0x3f,
        _ => 0,
    }
}

/// Leaves out what writes a register that nobody reads before it is written again.
fn leave_out_unused(code: &[bpf_insn], kept: &mut [bool]) {
    let mut live = vec![0u16; code.len() + 1];
    let firsts: Vec<usize> = {
        let mut n = 0;
        let mut firsts = Vec::with_capacity(code.len());
        while n < code.len() {
            if kept[n] {
                firsts.push(n);
            }
            n += len_of(code[n]);
        }
        firsts
    };
    loop {
        let mut is_new = false;
        for &n in firsts.iter().rev() {
            let insn = code[n];
            let mut after = 0;
            if insn.code != JMP | EXIT {
                if is_jump(insn) {
                    after |= live[target(n, insn)];
                }
                if !is_goto(insn) {
                    after |= live[n + len_of(insn)];
                }
            }
            let (reads, writes) = uses(insn);
            let before = match writes {
                // Left out.
                Some(to) if after & to == 0 => after,
                Some(to) => after & !to | reads,
                None => after & !overwrites(insn) | reads,
            };
            if live[n] != before {
                live[n] = before;
                is_new = true;
            }
        }
        if !is_new {
            break;
        }
    }
    for &n in &firsts {
        let insn = code[n];
        if let (_, Some(to)) = uses(insn)
            && live[n + len_of(insn)] & to == 0
        {
            kept[n..n + len_of(insn)].fill(false);
        }
    }
}

/// Takes away what is not kept, and jumps to what then follows.
fn compact(code: &mut Vec<bpf_insn>, kept: &[bool], functions: &mut Vec<u8>, record_len: usize) {
    let mut kept = kept.to_vec();
    // Backwards, since what a jump skips may be jumps that went before.
    for n in (0..code.len()).rev() {
        if kept[n] && is_goto(code[n]) {
            let to = target(n, code[n]);
            kept[n] = to <= n || kept[n + 1..to].contains(&true);
        }
    }
    let mut places = Vec::with_capacity(code.len() + 1);
    let mut n_kept = 0i64;
    for is_kept in &kept {
        places.push(n_kept);
        n_kept += i64::from(*is_kept);
    }
    places.push(n_kept);
    let mut n = 0;
    while n < code.len() {
        let insn = code[n];
        if kept[n] {
            let by = |to: usize| places[to] - places[n] - 1;
            if let Some(function) = callee(n, insn) {
                code[n].imm = by(function) as i32;
            } else if is_jump(insn) {
                let by = by(target(n, insn));
                if insn.code == JMP32 | JA {
                    code[n].imm = by as i32;
                } else {
                    code[n].off = by as i16;
                }
            }
        }
        n += len_of(insn);
    }
    let mut is_kept = kept.iter();
    code.retain(|_| *is_kept.next().expect("one for each instruction"));
    let mut out = Vec::with_capacity(functions.len());
    let mut records = functions.chunks_exact(record_len.max(4)).peekable();
    let first_of = |record: &[u8]| record.first_chunk().map(|n| u32::from_le_bytes(*n) as usize);
    while let Some(record) = records.next() {
        let next = records.peek().and_then(|next| first_of(next)).unwrap_or(kept.len());
        let Some(first) = first_of(record) else { continue };
        // What nobody calls any more is gone as a whole.
        if kept.get(first..next).is_some_and(|kept| kept.contains(&true)) {
            out.extend((places[first] as u32).to_le_bytes());
            out.extend_from_slice(&record[4..]);
        }
    }
    *functions = out;
}

#[cfg(test)]
mod tests {
    use aya_obj::generated::__BindgenBitfieldUnit;

    use super::*;

    const FD: i32 = 7;
    const MOV_K: u8 = ALU64 | MOV;
    const MOV_X: u8 = ALU64 | MOV | BY_REGISTER;
    const ADD_X: u8 = ALU64 | ADD | BY_REGISTER;
    const LOAD_32: u8 = LDX | MEM;
    const JEQ_K: u8 = JMP | 0x10;
    const JNE_K: u8 = JMP | 0x50;
    const STORE: u8 = STX | MEM | WIDTH;

    /// Code, registers (written, read), offset, number.
    type Insn = (u8, u8, u8, i16, i32);

    fn insn((code, to, from, off, imm): Insn) -> bpf_insn {
        let mut insn = bpf_insn {
            code,
            _bitfield_align_1: [],
            _bitfield_1: __BindgenBitfieldUnit::default(),
            off,
            imm,
        };
        insn.set_dst_reg(to);
        insn.set_src_reg(from);
        insn
    }

    fn place(to: u8, place: i32) -> [Insn; 2] {
        [(LOAD_64, to, MAP_VALUE, 0, FD), (0, 0, 0, 0, place)]
    }

    /// A program, and first instructions of its functions, before and after. The frozen words are 5, 0xffffffff and 16.
    fn check_functions(before: &[Insn], firsts: &[u32], after: &[Insn], firsts_after: &[u32]) {
        let records = |firsts: &[u32]| -> Vec<u8> {
            firsts.iter().flat_map(|n| [n.to_le_bytes(), 99u32.to_le_bytes()]).flatten().collect()
        };
        let mut code = Code {
            name: String::new(),
            instructions: before.iter().copied().map(insn).collect(),
            license: c"".into(),
            functions: records(firsts),
            function_len: 8,
            sleeps: false,
        };
        let value = [5u32, u32::MAX, 16].map(u32::to_le_bytes).concat();
        fold(&mut code, &Frozen { fd: FD, value });
        let folded: Vec<Insn> = code
            .instructions
            .iter()
            .map(|i| (i.code, i.dst_reg(), i.src_reg(), i.off, i.imm))
            .collect();
        assert_eq!(folded, after);
        assert_eq!(code.functions, records(firsts_after));
    }

    fn check(before: &[Insn], after: &[Insn]) {
        check_functions(before, &[0], after, &[0]);
    }

    const END: Insn = (JMP | EXIT, 0, 0, 0, 0);
    const RETURNS: Insn = (MOV_K, 0, 0, 0, 0);

    #[test]
    fn an_offset_becomes_part_of_the_instruction() {
        let [first, second] = place(2, 8);
        let before = [
            (MOV_X, 6, 1, 0, 0),
            first,
            second,
            (LOAD_32, 3, 2, 0, 0),
            (ADD_X, 6, 3, 0, 0),
            (MOV_X, 0, 6, 0, 0),
            END,
        ];
        let after = [(MOV_X, 6, 1, 0, 0), (ALU64 | ADD, 6, 0, 0, 16), (MOV_X, 0, 6, 0, 0), END];
        check(&before, &after);
    }

    #[test]
    fn a_branch_on_what_is_known_goes_one_way_and_the_other_is_gone() {
        let [first, second] = place(6, 4);
        // Where the kernel lacks a member its offset is all ones.
        let narrow = JMP32 | 0x10;
        let before = [
            first,
            second,
            (LOAD_32, 7, 6, 0, 0),
            (narrow, 7, 0, 2, -1),
            (JMP | CALL, 0, 0, 0, 35),
            END,
            RETURNS,
            END,
        ];
        check(&before, &[RETURNS, END]);
        let before = before.map(|i| if i.0 == narrow { (JMP32 | 0x50, 7, 0, 2, -1) } else { i });
        check(&before, &[(JMP | CALL, 0, 0, 0, 35), END]);
    }

    #[test]
    fn what_differs_between_two_ways_is_not_known() {
        let [first, second] = place(2, 0);
        let before = [
            (JEQ_K, 1, 0, 4, 0),
            first,
            second,
            (LOAD_32, 0, 2, 0, 0),
            (JMP | JA, 0, 0, 1, 0),
            (MOV_K, 0, 0, 0, 6),
            (JNE_K, 0, 0, 1, 5),
            (MOV_K, 0, 0, 0, 9),
            END,
        ];
        let after = [
            (JEQ_K, 1, 0, 2, 0),
            (MOV_K, 0, 0, 0, 5),
            (JMP | JA, 0, 0, 1, 0),
            (MOV_K, 0, 0, 0, 6),
            (JNE_K, 0, 0, 1, 5),
            (MOV_K, 0, 0, 0, 9),
            END,
        ];
        check(&before, &after);
    }

    #[test]
    fn a_loop_is_followed_until_nothing_new_is_known() {
        let before = [
            (MOV_K, 6, 0, 0, 0),
            (ALU64 | ADD, 6, 0, 0, 1),
            (JNE_K, 6, 0, -2, 5),
            (MOV_X, 0, 6, 0, 0),
            END,
        ];
        check(&before, &before);
    }

    #[test]
    fn what_is_no_program_stays_as_it_is() {
        for before in [
            vec![],
            vec![RETURNS],
            vec![(JMP | JA, 0, 0, 3, 0), END],
            vec![(JMP | JA, 0, 0, -2, 0), END],
            vec![(JMP | CALL, 0, OWN, 0, 9), END],
            vec![END, (LOAD_64, 1, 0, 0, 0)],
            vec![(MOV_K, 10, 0, 0, 1), END],
        ] {
            check(&before, &before);
        }
    }

    #[test]
    fn a_call_forgets_the_first_registers_and_keeps_the_others() {
        let before = [
            (MOV_K, 1, 0, 0, 3),
            (MOV_K, 6, 0, 0, 4),
            (JMP | CALL, 0, 0, 0, 8),
            (MOV_X, 7, 1, 0, 0),
            (ADD_X, 0, 6, 0, 0),
            (ADD_X, 0, 7, 0, 0),
            END,
        ];
        let after = [
            (MOV_K, 1, 0, 0, 3),
            (JMP | CALL, 0, 0, 0, 8),
            (MOV_X, 7, 1, 0, 0),
            (ALU64 | ADD, 0, 0, 0, 4),
            (ADD_X, 0, 7, 0, 0),
            END,
        ];
        check(&before, &after);
    }

    #[test]
    fn a_store_keeps_what_it_needs() {
        let before =
            [(MOV_K, 1, 0, 0, 3), (STORE, 10, 1, -8, 0), (MOV_K, 1, 0, 0, 4), RETURNS, END];
        let after = [(MOV_K, 1, 0, 0, 3), (STORE, 10, 1, -8, 0), RETURNS, END];
        check(&before, &after);
    }

    #[test]
    fn a_function_that_nobody_calls_any_more_is_gone_and_others_are_found() {
        let call = |by: i32| (JMP | CALL, 0, OWN, 0, by);
        let [first, second] = place(6, 0);
        let before = [
            first,
            second,
            (LOAD_32, 7, 6, 0, 0),
            (JEQ_K, 7, 0, 1, 5),
            call(2),
            call(3),
            END,
            // 7: called on the way that is gone.
            (MOV_K, 0, 0, 0, 1),
            END,
            // 9
            (MOV_X, 0, 1, 0, 0),
            END,
        ];
        check_functions(&before, &[0, 7, 9], &[call(1), END, (MOV_X, 0, 1, 0, 0), END], &[0, 2]);
    }
}
