//! Recipes: how the kernel side reads the parameters of a call that needs no program of its own.
//!
//! A recipe is a head and up to [`MAX_STEPS`] steps. Each of the first steps makes one parameter, in the order of the event table; the
//! steps behind them append sections to the trailer. The loader writes one recipe per event type into the map `RECIPES`; what nobody asks
//! for it leaves out. Which bits of a flags word become which bits of the schema is in tables of their own, the map `FLAG_MAPS`.
//!
//! The head is there for every event type, those with programs of their own included: its bits tell such a program what was asked for.

/// Steps of a recipe.
pub const MAX_STEPS: usize = 19;

/// Head, then steps; a step of 0 ends.
pub type Recipe = [u32; 1 + MAX_STEPS];

/// Bits of a recipe's head.
pub mod head {
    /// The number of parameters: the low bits.
    pub const N_PARAMS: u32 = 0x1f;
    /// Somebody asks for the identity of the descriptor.
    pub const DESCRIPTOR: u32 = 1 << 8;
    /// Somebody asks for the bytes that were read or written.
    pub const BUFFER: u32 = 1 << 9;
    /// The descriptor is looked at when the call starts, too.
    pub const ENTRY: u32 = 1 << 10;
    /// Nobody asks for the call itself: it is noted for those that do, and makes no frame.
    pub const SILENT: u32 = 1 << 11;
    /// Somebody asks what name servers answer: bytes from port 53 are kept whole.
    pub const ANSWERS: u32 = 1 << 12;
    /// Nobody asks for the call itself, but for such an answer: what is of another port makes no frame.
    pub const ONLY_ANSWERS: u32 = 1 << 13;
    /// Every mapping is asked for, not only those that can be executed.
    pub const ALL_MAPPINGS: u32 = 1 << 14;
    /// Hooks of sockets note what the call uses.
    pub const HOOKED: u32 = 1 << 15;
}

/// Pairs of a flag map.
pub const FLAG_PAIRS: usize = 48;
/// Flag maps.
pub const N_FLAG_MAPS: usize = 32;

/// How a number is turned into the schema's: not 0 where the whole value is looked up (else the schema's bits of each kernel bit that is
/// set are put together), the schema's value where nothing fits, then pairs of (kernel, schema) ended by a zero pair.
pub type FlagMap = [u32; 2 + 2 * FLAG_PAIRS];

/// Width of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Width {
    /// 1 byte.
    U8 = 0,
    /// 2 bytes.
    U16 = 1,
    /// 4 bytes.
    U32 = 2,
    /// 8 bytes.
    U64 = 3,
    /// The low 32 bits, sign-extended to 8 bytes: descriptors, process ids.
    I32 = 4,
    /// The low 32 bits as they are in 8 bytes.
    Z32 = 5,
}

/// Kind of a step: its low byte.
pub mod kind {
    /// The result, 8 bytes.
    pub const RESULT: u32 = 1;
    /// An argument: argument, width.
    pub const ARG: u32 = 2;
    /// Text of the process with its NUL: argument.
    pub const TEXT: u32 = 3;
    /// Bytes of the process, cut to the snap length: argument that points, source of the length.
    pub const BYTES: u32 = 4;
    /// A number in the memory of the process: argument that points, width, offset.
    pub const MEMORY: u32 = 5;
    /// Flags or an enumeration: argument, width, flag map.
    pub const FLAGS: u32 = 6;
    /// An empty parameter.
    pub const EMPTY: u32 = 7;
    /// A number behind a tag byte (`DYN`): argument, width, tag.
    pub const TAGGED: u32 = 8;
    /// Memory of the process in KiB: 0 virtual, 1 resident, 2 swapped.
    pub const MEMORY_USE: u32 = 9;
    /// Inode number of the descriptor in an argument, or behind it: argument, [`super::BEHIND`] or 0.
    pub const INODE: u32 = 10;
    /// The call's number in the schema (`ppm_sc`).
    pub const CALL_ID: u32 = 11;
    /// The call's number in the table it came through.
    pub const CALL_NUMBER: u32 = 12;
    /// A constant: low byte, next byte, width.
    pub const CONST: u32 = 13;
    /// As `MEMORY`, -1 where the call failed.
    pub const MEMORY_ON_SUCCESS: u32 = 14;
    /// Text behind a tag byte (`DYN`): argument, 0, tag.
    pub const TAGGED_TEXT: u32 = 15;
    /// A user or group id, 4 bytes; the 16 bits that the old calls of ia32 take are widened as the kernel does it.
    pub const ID: u32 = 20;
    /// The flags of `mount`, 4 bytes, without the magic number of old programs: argument.
    pub const MOUNT_FLAGS: u32 = 21;
    /// As `TEXT`, empty unless the call succeeded and another argument has one of some values below 8: argument that points and the other
    /// argument (high half of the byte), 0, a bit for each value.
    pub const TEXT_WHERE: u32 = 22;
    /// As `BYTES`, under the same condition.
    pub const BYTES_WHERE: u32 = 23;

    /// Bytes that the call passed, cut to what it took and to the snap length: argument that points, argument of the length.
    pub const BYTES_PASSED: u32 = 24;
    /// Bytes that the call read into an `iovec` array, cut to the snap length: argument that points, argument of the count.
    pub const VECTOR_READ: u32 = 25;
    /// Bytes that the call passed in an `iovec` array, cut alike: argument that points, argument of the count.
    pub const VECTOR_PASSED: u32 = 26;
    /// Bytes that an `iovec` array holds, 4 bytes: argument that points, argument of the count.
    pub const VECTOR_SIZE: u32 = 27;
    /// The result as a size of 4 bytes, 0 where the call failed.
    pub const RESULT_SIZE: u32 = 28;
    /// A file position, 8 bytes: argument; ia32 has its upper half in the next one.
    pub const POSITION: u32 = 29;
    /// A file position that an argument points to, 8 bytes; 0 where it points nowhere.
    pub const OFFSET: u32 = 30;

    /// First kind that makes a section.
    pub const SECTIONS: u32 = 32;
    /// `File` or `Sock` of the descriptor in an argument, or behind it: argument, [`super::BEHIND`] or 0.
    pub const DESCRIPTOR: u32 = 32;
    /// `Dir` of a relative path: argument of the directory or [`super::NO_DIR`], argument of the path.
    pub const DIR: u32 = 33;
    /// `Dir2` of a second path.
    pub const DIR2: u32 = 34;
    /// `File` or `Sock` of a descriptor that is closed, as it was when the call started: argument, and [`super::NO_DIR`] or an argument
    /// that has to be equal.
    pub const CLOSED: u32 = 36;
    /// Of a call that changes the working directory: `File` of the new one where it succeeded, else `Dir` of the path in an argument.
    pub const WORKING_DIRECTORY: u32 = 40;
    /// As `DESCRIPTOR`, none where a bit of another argument says that the first is none: argument, other argument, bit.
    pub const DESCRIPTOR_UNLESS: u32 = 42;

    /// First kind behind those of sections: from here on they make parameters again.
    pub const MORE: u32 = 64;
    /// Flags in the memory of the process, 4 bytes: argument that points, flag map, offset.
    pub const MEMORY_FLAGS: u32 = 64;
    /// A `long` of the caller's table in the memory of the process, 8 bytes; all ones stay all ones: argument that points, which.
    pub const LONG: u32 = 65;
    /// As `MEMORY`, 0 where the call failed.
    pub const MEMORY_OR_ZERO: u32 = 66;
    /// Capabilities of the task after the call: 0 inheritable, 1 permitted, 2 effective.
    pub const CAPABILITIES: u32 = 67;
    /// As `TAGGED`, 0 where the call failed.
    pub const TAGGED_OR_ZERO: u32 = 68;
    /// What `data` of `ptrace` means to the request: argument.
    pub const PTRACE_DATA: u32 = 69;
    /// What an argument of `keyctl` means to the operation, behind its tag: argument.
    pub const KEYCTL: u32 = 70;
    /// What the second argument of `prctl` means to the option, if that is text (0) or a number (1).
    pub const PRCTL: u32 = 71;
    /// As `TEXT`, empty where the call failed.
    pub const TEXT_ON_SUCCESS: u32 = 72;
    /// As `LONG`, -1 where the call failed.
    pub const LONG_ON_SUCCESS: u32 = 73;
    /// The result as an address, 8 bytes.
    pub const ADDRESS_RESULT: u32 = 74;
    /// A signed `long` of the caller's table, 8 bytes: argument.
    pub const SIGNED_LONG: u32 = 75;
    /// A `timespec` in the memory of the process as nanoseconds, 8 bytes; all ones where there is none: argument that points.
    pub const INTERVAL: u32 = 76;
    /// A user or group id in the memory of the process, 4 bytes; all ones where the call failed: argument that points.
    pub const ID_BEHIND: u32 = 77;
    /// The descriptors of a `pollfd` array with what each returned: argument that points, argument of the count.
    pub const FD_LIST: u32 = 78;
    /// A member of a `sembuf` array, 2 bytes; 0 where the call failed or the array is shorter: argument that points and the argument of
    /// the count (high half of the byte), index, [`super::sembuf`].
    pub const SEMBUF: u32 = 79;
    /// As `ARG`, 0 unless another argument has a value: argument and the other one (high half of the byte), width, value.
    pub const ARG_WHERE: u32 = 80;
    /// The name of a socket option, 1 byte.
    pub const OPTION_NAME: u32 = 81;
    /// The value of a socket option behind its tag: 0 where its length is an argument, 1 where an argument points to the length.
    pub const OPTION_VALUE: u32 = 82;
    /// As `FLAGS`, of what lies above an argument's lowest byte.
    pub const FLAGS_ABOVE: u32 = 83;
    /// As `FLAGS`, of an argument's lowest byte.
    pub const FLAGS_LOWEST: u32 = 84;
    /// What an argument of `quotactl` means to the command: [`super::quota`], offset, bit that says that it is there.
    pub const QUOTA: u32 = 85;
}

/// Members of `struct sembuf`.
pub mod sembuf {
    /// Number of the semaphore.
    pub const NUM: u8 = 0;
    /// Operation.
    pub const OP: u8 = 1;
    /// Flags, as the schema has them.
    pub const FLG: u8 = 2;
}

/// Parameters of `quotactl` that mean something to some commands only.
pub mod quota {
    /// 8 bytes of `struct if_dqblk`.
    pub const BLOCK: u8 = 0;
    /// 8 bytes of `struct if_dqinfo`.
    pub const INFO: u8 = 1;
    /// Flags of `struct if_dqinfo`, 1 byte.
    pub const FLAGS: u8 = 2;
    /// Format that was found, 1 byte.
    pub const FORMAT_FOUND: u8 = 3;
    /// Format that was asked for, 1 byte.
    pub const FORMAT: u8 = 4;
    /// User or group, 4 bytes.
    pub const ID: u8 = 5;
    /// File of the quota, text.
    pub const PATH: u8 = 6;
}

/// In place of an argument: the call's result.
pub const RET: u8 = 7;
/// The descriptor lies in memory that the argument points to; none where the call failed.
pub const BEHIND: u8 = 1;
/// In place of a directory's argument: the working directory.
pub const NO_DIR: u8 = 8;

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step(pub u32);

impl Step {
    const fn new(kind: u32, a: u8, b: u8, c: u8) -> Self {
        Self(kind | (a as u32) << 8 | (b as u32) << 16 | (c as u32) << 24)
    }

    /// See [`kind`].
    #[must_use]
    pub const fn kind(self) -> u32 {
        self.0 & 0xff
    }

    /// Whether the step makes a parameter, not a section.
    #[must_use]
    pub const fn is_param(self) -> bool {
        self.kind() < kind::SECTIONS || self.kind() >= kind::MORE
    }

    /// Whether the step names the object of the call's first argument, which `sys_enter` can note.
    #[must_use]
    pub const fn uses_descriptor_of_start(self) -> bool {
        let [_, arg, place, _] = self.0.to_le_bytes();
        match self.kind() {
            kind::DESCRIPTOR => arg == 0 && place != BEHIND,
            kind::CLOSED => arg == 0,
            _ => false,
        }
    }

    /// Whether the step makes text with its NUL.
    #[must_use]
    pub const fn is_text(self) -> bool {
        let which = self.0.to_le_bytes()[1];
        match self.kind() {
            kind::TEXT | kind::TEXT_WHERE | kind::TEXT_ON_SUCCESS => true,
            kind::PRCTL => which == 0,
            kind::QUOTA => which == quota::PATH,
            _ => false,
        }
    }

    /// Width of the parameter, `None` where it varies.
    #[must_use]
    pub const fn size(self) -> Option<usize> {
        let width = match self.kind() {
            kind::RESULT
            | kind::INODE
            | kind::POSITION
            | kind::OFFSET
            | kind::LONG
            | kind::LONG_ON_SUCCESS
            | kind::ADDRESS_RESULT
            | kind::SIGNED_LONG
            | kind::INTERVAL
            | kind::CAPABILITIES => return Some(8),
            kind::CALL_ID | kind::CALL_NUMBER | kind::SEMBUF => return Some(2),
            kind::OPTION_NAME => return Some(1),
            kind::QUOTA => {
                return match self.0.to_le_bytes()[1] {
                    quota::BLOCK | quota::INFO => Some(8),
                    quota::FLAGS | quota::FORMAT_FOUND | quota::FORMAT => Some(1),
                    quota::ID => Some(4),
                    _ => None,
                };
            }
            kind::MEMORY_USE
            | kind::MEMORY_FLAGS
            | kind::ID
            | kind::ID_BEHIND
            | kind::MOUNT_FLAGS
            | kind::VECTOR_SIZE
            | kind::RESULT_SIZE => return Some(4),
            kind::ARG
            | kind::ARG_WHERE
            | kind::MEMORY
            | kind::MEMORY_ON_SUCCESS
            | kind::MEMORY_OR_ZERO
            | kind::FLAGS
            | kind::FLAGS_ABOVE
            | kind::FLAGS_LOWEST => self.0 >> 16 & 0xff,
            kind::PRCTL if self.0 >> 8 & 0xff != 0 => return Some(8),
            kind::CONST => self.0 >> 24,
            _ => return None,
        };
        Some(match width {
            0 => 1,
            1 => 2,
            2 => 4,
            _ => 8,
        })
    }

    /// The result.
    pub const RESULT: Self = Self::new(kind::RESULT, 0, 0, 0);
    /// An empty parameter.
    pub const EMPTY: Self = Self::new(kind::EMPTY, 0, 0, 0);
    /// The call's number in the schema.
    pub const CALL_ID: Self = Self::new(kind::CALL_ID, 0, 0, 0);
    /// The call's number in the table it came through.
    pub const CALL_NUMBER: Self = Self::new(kind::CALL_NUMBER, 0, 0, 0);

    /// Argument `n` as it is, cut to a width.
    #[must_use]
    pub const fn arg(n: u8, width: Width) -> Self {
        Self::new(kind::ARG, n, width as u8, 0)
    }

    /// A descriptor.
    #[must_use]
    pub const fn fd(n: u8) -> Self {
        Self::arg(n, Width::I32)
    }

    /// A process or thread id.
    #[must_use]
    pub const fn pid(n: u8) -> Self {
        Self::arg(n, Width::I32)
    }

    /// Text of the process.
    #[must_use]
    pub const fn text(n: u8) -> Self {
        Self::new(kind::TEXT, n, 0, 0)
    }

    /// Bytes of the process: argument that points, source of the length (an argument or [`RET`]).
    #[must_use]
    pub const fn bytes(n: u8, len: u8) -> Self {
        Self::new(kind::BYTES, n, len, 0)
    }

    /// Bytes that the call passed: argument that points, argument of the length.
    #[must_use]
    pub const fn bytes_passed(n: u8, len: u8) -> Self {
        Self::new(kind::BYTES_PASSED, n, len, 0)
    }

    /// Bytes that were read into an `iovec` array: argument that points, argument of the count.
    #[must_use]
    pub const fn vector_read(n: u8, count: u8) -> Self {
        Self::new(kind::VECTOR_READ, n, count, 0)
    }

    /// Bytes that were passed in an `iovec` array.
    #[must_use]
    pub const fn vector_passed(n: u8, count: u8) -> Self {
        Self::new(kind::VECTOR_PASSED, n, count, 0)
    }

    /// How much an `iovec` array holds.
    #[must_use]
    pub const fn vector_size(n: u8, count: u8) -> Self {
        Self::new(kind::VECTOR_SIZE, n, count, 0)
    }

    /// The result as a size, 0 where the call failed.
    pub const RESULT_SIZE: Self = Self::new(kind::RESULT_SIZE, 0, 0, 0);

    /// A file position in argument `n`.
    #[must_use]
    pub const fn position(n: u8) -> Self {
        Self::new(kind::POSITION, n, n + 1, 0)
    }

    /// A file position that argument `n` points to.
    #[must_use]
    pub const fn offset(n: u8) -> Self {
        Self::new(kind::OFFSET, n, 0, 0)
    }

    /// A file position in two arguments of 32 bits.
    #[must_use]
    pub const fn position_in_halves(low: u8, high: u8) -> Self {
        Self::new(kind::POSITION, low, high, 0)
    }

    /// Whether the step makes a parameter of the bytes that were read or written.
    #[must_use]
    pub const fn is_buffer(self) -> bool {
        matches!(
            self.kind(),
            kind::BYTES
                | kind::BYTES_WHERE
                | kind::BYTES_PASSED
                | kind::VECTOR_READ
                | kind::VECTOR_PASSED
        )
    }

    /// A number that argument `n` points to.
    #[must_use]
    pub const fn memory(n: u8, width: Width, offset: u8) -> Self {
        Self::new(kind::MEMORY, n, width as u8, offset)
    }

    /// A number that argument `n` points to, -1 where the call failed.
    #[must_use]
    pub const fn memory_on_success(n: u8, width: Width, offset: u8) -> Self {
        Self::new(kind::MEMORY_ON_SUCCESS, n, width as u8, offset)
    }

    /// Flags or an enumeration, by the map with this number.
    #[must_use]
    pub const fn flags(n: u8, width: Width, map: u8) -> Self {
        Self::new(kind::FLAGS, n, width as u8, map)
    }

    /// A number behind its tag.
    #[must_use]
    pub const fn tagged(n: u8, width: Width, tag: u8) -> Self {
        Self::new(kind::TAGGED, n, width as u8, tag)
    }

    /// Text behind its tag.
    #[must_use]
    pub const fn tagged_text(n: u8, tag: u8) -> Self {
        Self::new(kind::TAGGED_TEXT, n, 0, tag)
    }

    /// Memory in KiB: 0 virtual, 1 resident, 2 swapped.
    #[must_use]
    pub const fn memory_use(which: u8) -> Self {
        Self::new(kind::MEMORY_USE, which, 0, 0)
    }

    /// Inode number of a descriptor.
    #[must_use]
    pub const fn inode(n: u8) -> Self {
        Self::new(kind::INODE, n, 0, 0)
    }

    /// Inode number of the first descriptor of those that argument `n` points to, 0 where the call failed.
    #[must_use]
    pub const fn inode_behind(n: u8) -> Self {
        Self::new(kind::INODE, n, BEHIND, 0)
    }

    /// A constant.
    #[must_use]
    pub const fn constant(value: u16, width: Width) -> Self {
        let [low, high] = value.to_le_bytes();
        Self::new(kind::CONST, low, high, width as u8)
    }

    /// A user or group id.
    #[must_use]
    pub const fn id(n: u8) -> Self {
        Self::new(kind::ID, n, 0, 0)
    }

    /// The flags of `mount`.
    #[must_use]
    pub const fn mount_flags(n: u8) -> Self {
        Self::new(kind::MOUNT_FLAGS, n, 0, 0)
    }

    /// Text of the process where the call succeeded and argument `selector` has a value whose bit is in `values`.
    #[must_use]
    pub const fn text_where(n: u8, selector: u8, values: u8) -> Self {
        Self::new(kind::TEXT_WHERE, n | selector << 4, 0, values)
    }

    /// Bytes of the process, under the same condition.
    #[must_use]
    pub const fn bytes_where(n: u8, len: u8, selector: u8, values: u8) -> Self {
        Self::new(kind::BYTES_WHERE, n | selector << 4, len, values)
    }

    /// Section of a call that changes the working directory to the path in an argument.
    #[must_use]
    pub const fn working_directory(path: u8) -> Self {
        Self::new(kind::WORKING_DIRECTORY, path, 0, 0)
    }

    /// Flags that argument `n` points to, 4 bytes, by the map with this number.
    #[must_use]
    pub const fn memory_flags(n: u8, map: u8, offset: u8) -> Self {
        Self::new(kind::MEMORY_FLAGS, n, map, offset)
    }

    /// The `which`-th `long` that argument `n` points to.
    #[must_use]
    pub const fn long(n: u8, which: u8) -> Self {
        Self::new(kind::LONG, n, which, 0)
    }

    /// A number that argument `n` points to, 0 where the call failed.
    #[must_use]
    pub const fn memory_or_zero(n: u8, width: Width, offset: u8) -> Self {
        Self::new(kind::MEMORY_OR_ZERO, n, width as u8, offset)
    }

    /// Capabilities after the call: 0 inheritable, 1 permitted, 2 effective.
    #[must_use]
    pub const fn capabilities(which: u8) -> Self {
        Self::new(kind::CAPABILITIES, which, 0, 0)
    }

    /// A number behind its tag, 0 where the call failed.
    #[must_use]
    pub const fn tagged_or_zero(n: u8, width: Width, tag: u8) -> Self {
        Self::new(kind::TAGGED_OR_ZERO, n, width as u8, tag)
    }

    /// `data` of `ptrace`.
    #[must_use]
    pub const fn ptrace_data(n: u8) -> Self {
        Self::new(kind::PTRACE_DATA, n, 0, 0)
    }

    /// An argument of `keyctl` behind the operation.
    #[must_use]
    pub const fn keyctl(n: u8) -> Self {
        Self::new(kind::KEYCTL, n, 0, 0)
    }

    /// The second argument of `prctl` where the option takes text.
    pub const PRCTL_TEXT: Self = Self::new(kind::PRCTL, 0, 0, 0);
    /// The second argument of `prctl` where the option takes, or points to, a number.
    pub const PRCTL_NUMBER: Self = Self::new(kind::PRCTL, 1, 0, 0);

    /// Text of the process, empty where the call failed.
    #[must_use]
    pub const fn text_on_success(n: u8) -> Self {
        Self::new(kind::TEXT_ON_SUCCESS, n, 0, 0)
    }

    /// The `which`-th `long` that argument `n` points to, -1 where the call failed.
    #[must_use]
    pub const fn long_on_success(n: u8, which: u8) -> Self {
        Self::new(kind::LONG_ON_SUCCESS, n, which, 0)
    }

    /// The result as an address.
    pub const ADDRESS_RESULT: Self = Self::new(kind::ADDRESS_RESULT, 0, 0, 0);

    /// A signed `long` of the caller's table.
    #[must_use]
    pub const fn signed_long(n: u8) -> Self {
        Self::new(kind::SIGNED_LONG, n, 0, 0)
    }

    /// A `timespec` that argument `n` points to, in nanoseconds.
    #[must_use]
    pub const fn interval(n: u8) -> Self {
        Self::new(kind::INTERVAL, n, 0, 0)
    }

    /// A user or group id that argument `n` points to.
    #[must_use]
    pub const fn id_behind(n: u8) -> Self {
        Self::new(kind::ID_BEHIND, n, 0, 0)
    }

    /// The descriptors of a `pollfd` array: argument that points, argument of the count.
    #[must_use]
    pub const fn fd_list(n: u8, count: u8) -> Self {
        Self::new(kind::FD_LIST, n, count, 0)
    }

    /// A member ([`sembuf`]) of the `index`-th entry of a `sembuf` array.
    #[must_use]
    pub const fn sembuf(n: u8, count: u8, index: u8, member: u8) -> Self {
        Self::new(kind::SEMBUF, n | count << 4, index, member)
    }

    /// Argument `n` where argument `selector` has a value, else 0.
    #[must_use]
    pub const fn arg_where(n: u8, width: Width, selector: u8, value: u8) -> Self {
        Self::new(kind::ARG_WHERE, n | selector << 4, width as u8, value)
    }

    /// The name of a socket option.
    pub const OPTION_NAME: Self = Self::new(kind::OPTION_NAME, 0, 0, 0);
    /// The value of a socket option that is set.
    pub const OPTION_SET: Self = Self::new(kind::OPTION_VALUE, 0, 0, 0);
    /// The value of a socket option that is got.
    pub const OPTION_GOT: Self = Self::new(kind::OPTION_VALUE, 1, 0, 0);

    /// Flags or an enumeration above the lowest byte of argument `n`.
    #[must_use]
    pub const fn flags_above(n: u8, width: Width, map: u8) -> Self {
        Self::new(kind::FLAGS_ABOVE, n, width as u8, map)
    }

    /// Flags or an enumeration in the lowest byte of argument `n`.
    #[must_use]
    pub const fn flags_lowest(n: u8, width: Width, map: u8) -> Self {
        Self::new(kind::FLAGS_LOWEST, n, width as u8, map)
    }

    /// What an argument of `quotactl` means to the command ([`quota`]): of a structure, where it lies and the bit that says that it is there.
    #[must_use]
    pub const fn quota(what: u8, offset: u8, bit: u8) -> Self {
        Self::new(kind::QUOTA, what, offset, bit)
    }

    /// Section `File` or `Sock` of a descriptor, unless a bit of argument `flags` says that it is none.
    #[must_use]
    pub const fn descriptor_unless(n: u8, flags: u8, bit: u8) -> Self {
        Self::new(kind::DESCRIPTOR_UNLESS, n, flags, bit)
    }

    /// Section `File` or `Sock` of a descriptor.
    #[must_use]
    pub const fn descriptor(n: u8) -> Self {
        Self::new(kind::DESCRIPTOR, n, 0, 0)
    }

    /// Section `File` or `Sock` of the first descriptor of those that argument `n` points to.
    #[must_use]
    pub const fn descriptor_behind(n: u8) -> Self {
        Self::new(kind::DESCRIPTOR, n, BEHIND, 0)
    }

    /// Section `File` or `Sock` of the descriptor that the call closes.
    #[must_use]
    pub const fn closed(n: u8) -> Self {
        Self::new(kind::CLOSED, n, NO_DIR, 0)
    }

    /// The same of a range that holds one descriptor.
    #[must_use]
    pub const fn closed_range(first: u8, last: u8) -> Self {
        Self::new(kind::CLOSED, first, last, 0)
    }

    /// Section `Dir` of the path in argument `path`.
    #[must_use]
    pub const fn dir(dirfd: u8, path: u8) -> Self {
        Self::new(kind::DIR, dirfd, path, 0)
    }

    /// Section `Dir2` of the path in argument `path`.
    #[must_use]
    pub const fn dir2(dirfd: u8, path: u8) -> Self {
        Self::new(kind::DIR2, dirfd, path, 0)
    }
}

/// Puts steps into a recipe. Fails to compile, or panics in a test, where they are too many.
#[must_use]
pub const fn recipe(steps: &[Step]) -> Recipe {
    let mut out = [0; 1 + MAX_STEPS];
    let mut i = 0;
    while i < steps.len() {
        if steps[i].is_param() {
            out[0] += 1;
        }
        out[1 + i] = steps[i].0;
        i += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_counted_and_sections_are_not() {
        const R: Recipe = recipe(&[Step::RESULT, Step::fd(0), Step::text(1), Step::dir(0, 1)]);
        assert_eq!((R[0], R[4] & 0xff, R[5]), (3, kind::DIR, 0));
        assert_eq!((Step(R[2]).size(), Step(R[3]).size()), (Some(8), None));
        assert_eq!(
            Step::constant(0x1234, Width::U16).0,
            kind::CONST | 0x34 << 8 | 0x12 << 16 | 1 << 24
        );
    }
}
