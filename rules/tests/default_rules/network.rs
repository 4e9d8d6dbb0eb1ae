//! Rules on connections, datagrams and sockets.

use event::EventType;

use crate::case::{ABSENT, Case};

const CONNECT: EventType = EventType::CONNECT_X;

pub(crate) const CASES: &[Case] = &[
    Case {
        rule: "Outbound connection to command and control server",
        ty: CONNECT,
        base: &[
            ("fd.sip", "192.0.2.66"),
            ("fd.snet", "192.0.2.66"),
            ("fd.l4proto", "tcp"),
            ("fd.sport", "443"),
        ],
        hits: &[
            &[("fd.sip", "198.51.100.7"), ("fd.snet", "198.51.100.7")],
            &[("fd.sip", "2001:db8::66"), ("fd.snet", "2001:db8::66"), ("evt.rawres", "-101")],
        ],
        misses: &[
            &[("fd.sip", "192.0.2.67"), ("fd.snet", "192.0.2.67")],
            &[("fd.sip", ABSENT), ("fd.snet", ABSENT), ("fd.name", "/run/x.sock")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Reverse shell: standard stream on a socket",
        ty: EventType::DUP2_X,
        base: &[("evt.rawres", "0"), ("fd.type", "ipv4"), ("fd.rport", "4444"), ("fd.num", "0")],
        hits: &[
            &[("evt.rawres", "2"), ("fd.type", "ipv6")],
            &[("proc.name", "sshd"), ("proc.exepath", "/tmp/sshd")],
        ],
        misses: &[
            &[("evt.rawres", "3")],
            &[("evt.rawres", "-9")],
            &[("fd.type", "unix")],
            &[("fd.type", "file"), ("fd.rport", ABSENT)],
            &[("fd.rport", ABSENT)],
            &[("proc.name", "sshd")],
            &[("proc.name", "php-fpm8.2")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Reverse shell: standard stream on a socket",
        ty: EventType::FCNTL_X,
        base: &[
            ("evt.rawres", "1"),
            ("fd.type", "ipv4"),
            ("fd.rport", "4444"),
            ("evt.arg.cmd", "F_DUPFD"),
        ],
        hits: &[&[("evt.arg.cmd", "F_DUPFD_CLOEXEC")]],
        misses: &[
            &[("evt.arg.cmd", "F_GETFD")],
            &[("evt.arg.cmd", "F_SETFL"), ("evt.rawres", "0")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Metadata service contacted",
        ty: CONNECT,
        base: &[
            ("fd.sip", "169.254.169.254"),
            ("fd.snet", "169.254.169.254"),
            ("fd.l4proto", "tcp"),
            ("fd.sport", "80"),
            ("proc.name", "curl"),
        ],
        hits: &[
            &[("evt.rawres", "-101"), ("container.id", "3ad7b26ded6d")],
            &[("fd.sip", "fd00:ec2::254"), ("fd.snet", "fd00:ec2::254")],
        ],
        misses: &[
            &[("proc.name", "cloud-init")],
            &[("fd.sport", "53")],
            &[("fd.l4proto", "udp")],
            &[("fd.sip", "169.254.169.253"), ("fd.snet", "169.254.169.253")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "SSH to a non-standard port",
        ty: CONNECT,
        base: &[
            ("proc.name", "ssh"),
            ("fd.rnet", "203.0.113.9"),
            ("fd.l4proto", "tcp"),
            ("fd.rport", "2222"),
        ],
        hits: &[
            &[("fd.rport", "443"), ("evt.rawres", "-111")],
            &[("fd.rnet", "2001:db8::9")],
            &[("fd.rnet", "10.0.0.9"), ("fd.lnet", "127.0.0.1")],
        ],
        misses: &[
            &[("fd.rport", "22")],
            &[("fd.rnet", "127.0.0.1")],
            &[("fd.rnet", "0.0.0.0")],
            &[("fd.rnet", "::1")],
            &[("fd.rnet", "::")],
            &[("fd.rport", ABSENT), ("fd.rnet", ABSENT)],
            &[("proc.name", "curl")],
            &[("fd.l4proto", "udp")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Unexpected UDP traffic",
        ty: EventType::SENDTO_X,
        base: &[
            ("fd.l4proto", "udp"),
            ("fd.rport", "40404"),
            ("fd.rnet", "203.0.113.9"),
            ("fd.lport", "51111"),
            ("evt.rawres", "12"),
        ],
        hits: &[&[("fd.lport", ABSENT)], &[("fd.lport", "0")], &[("evt.rawres", "-101")]],
        misses: &[
            &[("fd.l4proto", "tcp")],
            &[("fd.rport", "53")],
            &[("fd.rport", "443")],
            &[("fd.lport", "7777")],
            &[("fd.lport", "51820")],
            &[("fd.rnet", "127.0.0.1")],
            &[("fd.rnet", "::")],
            &[("fd.rnet", "239.1.2.3")],
            &[("fd.rnet", "ff02::fb")],
            &[("fd.rnet", "255.255.255.255")],
            &[("fd.rport", ABSENT), ("fd.rnet", ABSENT)],
            &[("proc.name", "tailscaled")],
        ],
        ..Case::NONE
    },
    Case {
        rule: "Unexpected UDP traffic",
        ty: EventType::SENDMMSG_X,
        base: &[("fd.l4proto", "udp"), ("fd.rport", "40404"), ("fd.rnet", "2001:db8::9")],
        misses: &[&[("fd.rport", "53")]],
        ..Case::NONE
    },
    Case {
        rule: "Unexpected UDP traffic",
        ty: CONNECT,
        base: &[
            ("fd.l4proto", "udp"),
            ("fd.rport", "40404"),
            ("fd.rnet", "203.0.113.9"),
            ("fd.lport", "51111"),
            ("proc.name", "bash"),
        ],
        hits: &[&[("proc.name", "nc")]],
        // Name libraries connect datagram sockets to sort addresses.
        misses: &[&[("proc.name", "curl"), ("fd.rport", "8080")], &[("fd.l4proto", "tcp")]],
        ..Case::NONE
    },
    Case {
        rule: "Packet socket created",
        ty: EventType::SOCKET_X,
        base: &[("evt.arg.domain", "AF_PACKET"), ("evt.rawres", "5"), ("proc.name", "tcpdump")],
        hits: &[&[("container.id", "3ad7b26ded6d"), ("proc.name", "python3")]],
        misses: &[
            &[("evt.arg.domain", "AF_INET")],
            &[("evt.arg.domain", "AF_ROUTE|AF_NETLINK")],
            &[("evt.rawres", "-1")],
            &[("proc.name", "dhclient")],
            &[("proc.name", "portmap"), ("proc.pname", "containerd")],
        ],
        ..Case::NONE
    },
];
