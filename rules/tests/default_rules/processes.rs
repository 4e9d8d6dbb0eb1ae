//! Rules on programs being started.

use event::EventType;

use crate::case::Case;

const EXEC: EventType = EventType::EXECVE_19_X;

pub(crate) const CASES: &[Case] = &[
    Case {
        rule: "Fileless execution from memfd",
        ty: EXEC,
        base: &[("proc.is_exe_from_memfd", "true"), ("proc.name", "3"), ("proc.pname", "python3")],
        misses: &[
            &[("proc.is_exe_from_memfd", "false")],
            &[("proc.name", "6"), ("proc.pname", "runc"), ("proc.args", "init")],
            &[("evt.failed", "true")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Crypto miner started",
        ty: EXEC,
        base: &[("proc.name", "xmrig"), ("proc.cmdline", "xmrig")],
        hits: &[&[("proc.name", "x"), ("proc.cmdline", "x -o STRATUM+TCP://pool:3333")]],
        misses: &[
            &[("proc.name", "grep"), ("proc.cmdline", "grep -r stratum+tcp .")],
            &[("proc.name", "bash"), ("proc.cmdline", "bash -c x -o stratum+tcp://pool")],
            &[("evt.failed", "true")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Shell spawned by server process",
        ty: EXEC,
        base: &[("proc.name", "sh"), ("proc.pname", "nginx"), ("proc.aname[2]", "nginx")],
        hits: &[
            &[("proc.pname", "php-fpm8.2"), ("proc.aname[2]", "systemd")],
            &[("proc.name", "bash"), ("proc.pname", "perl"), ("proc.aname[2]", "apache2")],
            &[("proc.pname", "postgres"), ("proc.cmdline", "sh -c locale -a")],
        ],
        misses: &[
            &[("proc.name", "bash"), ("proc.pname", "sh"), ("proc.aname[2]", "apache2")],
            &[("proc.name", "ls")],
            &[("proc.pname", "sshd"), ("proc.aname[2]", "sshd")],
            &[
                ("proc.pname", "postgres"),
                ("proc.cmdline", "sh -c locale -a"),
                ("proc.pcmdline", "postgres --single -F -O -j"),
            ],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Execution from shared memory",
        ty: EXEC,
        base: &[("proc.name", "x"), ("proc.exepath", "/dev/shm/x")],
        hits: &[
            &[
                ("proc.name", "x.sh"),
                ("proc.exepath", "/usr/bin/dash"),
                ("proc.args", "/dev/shm/x.sh"),
            ],
            &[
                ("proc.name", "python3"),
                ("proc.exepath", "/usr/bin/python3.11"),
                ("proc.args", "/dev/shm/x.py"),
            ],
        ],
        misses: &[
            &[("proc.name", "cat"), ("proc.exepath", "/usr/bin/cat"), ("proc.args", "/dev/shm/x")],
            &[("proc.exepath", "/dev/shmx/x")],
            &[("evt.failed", "true")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Execution from shared memory",
        ty: EventType::EXECVEAT_X,
        base: &[("proc.name", "x"), ("proc.exepath", "/dev/shm/x")],
        misses: &[&[("evt.failed", "true")]],
        ..Case::NONE
    },
    Case {
        rule: "Bulk removal of data",
        ty: EXEC,
        base: &[("proc.name", "rm"), ("proc.args", "-rf /home")],
        hits: &[
            &[("proc.args", "-r -f /var/lib/")],
            &[("proc.args", "-rf --no-preserve-root /")],
            &[("proc.name", "find"), ("proc.args", "/ -delete")],
            &[("proc.name", "shred"), ("proc.args", "-u x")],
            &[("proc.name", "mkfs.ext4"), ("proc.args", "-F /dev/sdb1")],
            &[("proc.name", "wipefs"), ("proc.args", "-a /dev/vdb")],
            &[("proc.name", "dd"), ("proc.args", "if=/dev/zero of=/dev/nvme0n1 bs=1M")],
        ],
        misses: &[
            &[("proc.args", "-rf /home/me/build")],
            &[("proc.args", "-rf /var/lib/apt/lists/x")],
            &[("proc.args", "-rf target")],
            &[("proc.name", "find"), ("proc.args", "/tmp/x -delete")],
            &[("proc.name", "find"), ("proc.args", "/ -name x")],
            &[("proc.name", "mkfs.ext4"), ("proc.args", "disk.img")],
            &[("proc.name", "mkfs.ext4"), ("proc.args", "/dev/loop0")],
            &[("proc.name", "mkfs.ext4"), ("proc.args", "/dev/sdb1"), ("proc.pname", "cloud-init")],
            &[("proc.name", "wipefs"), ("proc.args", "/dev/vdb")],
            &[("proc.name", "dd"), ("proc.args", "if=/dev/sda of=disk.img")],
        ],
        ..Case::NONE
    },
];
