//! Sockets: who is at either end.

use capture::savefile::{DescriptorEntry, DescriptorList, DescriptorTarget, Interface};
use event::{EventType as E, descriptor_flags as flag};

use super::recording::{
    CONNECT_E, Calls, O_CLOEXEC,
    Param::{Empty, I64, U8, U32},
    Played, Recording, addr, shorts, tuple,
};

#[test]
fn a_client_connects() {
    let ends = "10.0.0.5:40000->1.2.3.4:443";
    let mut r = Recording::new();
    r.socket(3, 2, 1)
        .call(E::CONNECT_X, &[I64(-111), tuple(ends), I64(3), Empty])
        .call(E::CONNECT_X, &[I64(-115), tuple(ends), I64(3), Empty])
        .call(E::CONNECT_X, &[I64(0), tuple(ends), I64(3), Empty])
        .call(E::WRITE_X, &[I64(1), Empty, I64(3), U32(1)])
        .call(E::SENDTO_X, &[I64(1), Empty, I64(3), U32(1), tuple("9.9.9.9:1->8.8.8.8:2")])
        .call(E::SHUTDOWN_X, &[I64(0), I64(3), U8(2)])
        .close(5, 0, 3);
    let played = r.play_all();
    let connected = format!("3<4>{ends}");
    let shorts: Vec<_> = played.iter().map(Played::short).collect();
    assert_eq!(&shorts[..2], ["3<4>", "3<4>"]);
    assert!(shorts[2..].iter().all(|s| *s == connected), "{shorts:?}");
    // The transport is not told before the role is known.
    let l4: Vec<u8> = played.iter().map(|p| p.own().l4).collect();
    assert_eq!(l4, [1, 1, 2, 2, 2, 2, 2, 2]);
    let own = played[2].own();
    assert!(own.has(flag::CLIENT | flag::CONNECTED | flag::PENDING | flag::NAME_CHANGED));
    assert_eq!(own.ports, (40_000, 443));
    assert!(!played[3].own().has(flag::PENDING) && !played[3].own().has(flag::NAME_CHANGED));
}

#[test]
fn a_connect_leads_where_the_kernel_went() {
    let seen = "10.0.0.5:40000->6.6.6.6:1";
    let mut r = Recording::new();
    r.socket(3, 2, 1)
        .call(CONNECT_E, &[I64(3), addr("1.2.3.4:443")])
        // The tuple repeats what was written there since.
        .call(E::CONNECT_X, &[I64(0), tuple(seen), I64(3), addr("6.6.6.6:1")])
        .socket(4, 2, 1)
        .call(CONNECT_E, &[I64(4), addr("1.2.3.4:443")])
        // The tuple has the kernel's own address.
        .call(E::CONNECT_X, &[I64(0), tuple(seen), I64(4), addr("7.7.7.7:1")])
        .socket(5, 2, 1)
        .call(CONNECT_E, &[I64(5), addr("1.2.3.4:443")])
        .call(E::CONNECT_X, &[I64(0), Empty, I64(5), Empty]);
    let played = r.play_all();
    assert_eq!(played[2].short(), "3<4>10.0.0.5:40000->1.2.3.4:443");
    assert_eq!(played[5].short(), format!("4<4>{seen}"));
    assert_eq!((played[8].short(), played[8].own().ports), ("5<4>".into(), (0, 443)));
}

#[test]
fn a_failed_connect_names_where_it_was_to_go_and_the_socket_stays_as_it_was() {
    let mut r = Recording::new();
    r.socket(3, 2, 1)
        .call(CONNECT_E, &[I64(3), addr("1.2.3.4:443")])
        .call(E::CONNECT_X, &[I64(-111), Empty, I64(3), Empty])
        .fstat(5, 3)
        // Without a start, what was read at the return counts.
        .call(E::CONNECT_X, &[I64(-101), Empty, I64(3), addr("5.6.7.8:80")])
        // A path is not where an internet socket goes.
        .call(E::CONNECT_X, &[I64(-2), Empty, I64(3), addr("/run/x")]);
    let played = r.play_all();
    let shorts: Vec<_> = played.iter().map(Played::short).collect();
    let (first, second) = ("3<4>0.0.0.0:0->1.2.3.4:443", "3<4>0.0.0.0:0->5.6.7.8:80");
    assert_eq!(shorts, ["3<4>", "3<4>", first, "3<4>", second, "3<4>"]);
    let own = played[2].own();
    assert!(own.has(flag::CLIENT) && !own.has(flag::CONNECTED));
    assert_eq!(own.ports, (0, 443));
}

#[test]
fn a_connect_of_an_unknown_socket_has_the_tuple_as_name() {
    let mut r = Recording::new();
    r.call(E::CONNECT_X, &[I64(0), tuple("[::1]:9->[::1]:80"), I64(3), Empty]);
    assert_eq!(r.last().short(), "3<?>::1:9->::1:80");
}

#[test]
fn a_server_binds_and_accepts() {
    let mut r = Recording::new();
    r.socket(3, 10, 1)
        .call(E::BIND_X, &[I64(0), addr("[::]:0"), I64(3)])
        .call(E::BIND_X, &[I64(0), addr("[2001:db8::3]:1234"), I64(3)])
        .call(E::LISTEN_X, &[I64(0), I64(3), U32(5)])
        .call(
            E::ACCEPT4_6_X,
            &[
                I64(4),
                tuple("[2001:db8::4]:54405->[2001:db8::3]:1234"),
                U8(0),
                U32(0),
                U32(5),
                U32(0),
            ],
        )
        .call(
            E::ACCEPT_5_X,
            &[I64(6), tuple("[::ffff:10.0.0.1]:9->[::ffff:10.0.0.2]:80"), U8(0), U32(0), U32(5)],
        )
        .call(E::ACCEPT_5_X, &[I64(-11), Empty, U8(0), U32(0), U32(5)])
        .call(E::READ_X, &[I64(1), Empty, I64(4), U32(9)]);
    let played = r.play_all();
    let shorts: Vec<_> = played.iter().map(Played::short).collect();
    assert_eq!(
        shorts,
        [
            "3<6>",
            "3<6>:::0",
            "3<6>2001:db8::3:1234",
            "3<6>2001:db8::3:1234",
            "4<6>2001:db8::4:54405->2001:db8::3:1234",
            "6<4>10.0.0.1:9->10.0.0.2:80",
            "-1<?>NULL",
            "4<6>2001:db8::4:54405->2001:db8::3:1234",
        ]
    );
    assert_eq!((played[1].own().l4, played[2].own().l4), (1, 2));
    assert!(played[2].own().has(flag::SERVER | flag::SERVER_SOCKET));
    assert_eq!(played[2].own().ports, (0, 1234));
    assert!(played[4].own().has(flag::SERVER | flag::CONNECTED));
}

#[test]
fn datagrams_change_the_peer() {
    let send = |to: &str| [I64(1), Empty, I64(3), U32(1), tuple(&format!("10.0.0.5:5000->{to}"))];
    let receive =
        |from: &str| [I64(1), Empty, tuple(&format!("{from}->10.0.0.5:5000")), I64(3), U32(9)];
    let mut r = Recording::new();
    r.socket(3, 2, 2)
        .call(E::SENDTO_X, &send("8.8.8.8:53"))
        .call(E::RECVFROM_X, &receive("8.8.8.8:53"))
        .call(E::RECVFROM_X, &receive("9.9.9.9:53"));
    let played = r.play_all();
    let shorts: Vec<_> = played.iter().map(Played::short).collect();
    assert_eq!(shorts[1], "3<4>10.0.0.5:5000->8.8.8.8:53");
    assert_eq!(shorts[2], shorts[1]);
    let changed: Vec<bool> = played.iter().map(|p| p.own().has(flag::NAME_CHANGED)).collect();
    assert_eq!(changed, [false, true, false, true]);
    assert_eq!(played[1].own().l4, 3);
    assert!(played[1].own().has(flag::CLIENT | flag::CONNECTED));
}

#[test]
fn a_datagram_server_stays_the_server() {
    let mut r = Recording::new();
    r.socket(3, 2, 2)
        .call(E::BIND_X, &[I64(0), addr("10.0.0.5:53"), I64(3)])
        .call(E::RECVFROM_X, &[I64(1), Empty, tuple("1.1.1.1:9->10.0.0.5:53"), I64(3), U32(9)])
        .call(E::SENDTO_X, &[I64(1), Empty, I64(3), U32(1), tuple("10.0.0.5:53->1.1.1.1:9")])
        // Without a role of its own a socket has that of the port it shares.
        .socket(4, 2, 2)
        .call(E::RECVFROM_X, &[I64(1), Empty, tuple("1.1.1.1:8->10.0.0.5:53"), I64(4), U32(9)]);
    let played = r.play_all();
    let shorts: Vec<_> = played.iter().map(Played::short).collect();
    assert_eq!(shorts[2], "3<4>1.1.1.1:9->10.0.0.5:53");
    assert_eq!(shorts[3], shorts[2]);
    assert!(played[3].own().has(flag::SERVER) && !played[3].own().has(flag::SERVER_SOCKET));
    assert!(played[5].own().has(flag::CLIENT), "nothing is bound to the port any more");
}

#[test]
fn a_datagram_over_an_unknown_socket_tells_what_it_is() {
    let mut r = Recording::new();
    r.call(E::SENDMSG_X, &[I64(1), Empty, I64(3), U32(1), tuple("10.0.0.5:5->8.8.8.8:53")])
        .call(E::SENDMSG_X, &[I64(-1), Empty, I64(4), U32(1), tuple("10.0.0.5:5->8.8.8.8:53")]);
    assert_eq!(shorts(&r), ["3<4>10.0.0.5:5->8.8.8.8:53", "4<?>"]);
}

#[test]
fn unix_sockets_have_a_path() {
    let mut r = Recording::new();
    r.socket(3, 1, 1)
        .call(E::CONNECT_X, &[I64(-2), tuple("/run/x"), I64(3), Empty])
        .call(E::CONNECT_X, &[I64(0), tuple("/run/x"), I64(3), Empty])
        .socket(4, 1, 1)
        .call(E::BIND_X, &[I64(0), addr("/run/y"), I64(4)])
        .call(E::ACCEPT_5_X, &[I64(5), tuple("/run/y"), U8(0), U32(0), U32(5)]);
    let shorts = shorts(&r);
    assert_eq!(&shorts[..2], ["3<u>", "3<u>"]);
    assert_eq!(shorts[2], "3<u>abc->def /run/x");
    assert_eq!(&shorts[4..], ["4<u>/run/y", "5<u>abc->def /run/y"]);
}

#[test]
fn ends_are_local_by_the_interfaces() {
    let interface = |a: &str, mask: &str| Interface {
        name: b"eth0".to_vec(),
        addr: a.parse().unwrap(),
        mask: mask.parse().unwrap(),
        broadcast: mask.parse().unwrap(),
        link_speed: None,
    };
    let mut r = Recording::new();
    r.interfaces =
        vec![interface("127.0.0.1", "255.0.0.0"), interface("10.0.0.5", "255.255.255.0")];
    r.socket(3, 2, 1)
        .call(E::CONNECT_X, &[I64(0), tuple("10.0.0.5:9->10.0.0.9:80"), I64(3), Empty])
        .socket(4, 2, 2)
        // An end that the kernel has not chosen yet is that of the interface.
        .call(E::SENDTO_X, &[I64(1), Empty, I64(4), U32(1), tuple("0.0.0.0:7->10.0.0.9:53")])
        .call(E::SENDTO_X, &[I64(1), Empty, I64(4), U32(1), tuple("0.0.0.0:7->8.8.8.8:53")]);
    let played = r.play_all();
    assert!(
        played[1].own().has(flag::CLIENT_IS_LOCAL) && !played[1].own().has(flag::SERVER_IS_LOCAL)
    );
    assert_eq!(played[3].short(), "4<4>10.0.0.5:7->10.0.0.9:53");
}

#[test]
fn a_list_tells_what_was_open() {
    let socket = |client: &str, server: &str| DescriptorTarget::Socket {
        client: client.parse().unwrap(),
        server: server.parse().unwrap(),
        l4: 2,
    };
    let targets = [
        DescriptorTarget::File { open_flags: O_CLOEXEC, path: b"/log".to_vec(), dev: Some(5) },
        DescriptorTarget::Named { number: 7, name: b"pipe:[9]".to_vec() },
        DescriptorTarget::Server { at: "0.0.0.0:22".parse().unwrap(), l4: 2 },
        socket("10.0.0.5:22", "10.0.0.2:4000"),
        socket("10.0.0.5:4001", "10.0.0.9:80"),
        DescriptorTarget::Unix { source: 1, destination: 2, path: b"/run/s".to_vec() },
    ];
    let entries = (3..).zip(targets).map(|(fd, target)| DescriptorEntry { fd, ino: 9, target });
    let mut r = Recording::new();
    r.descriptors = vec![DescriptorList { tid: 5, entries: entries.collect() }];
    for fd in 3..9 {
        r.fstat(5, fd);
    }
    r.exec(5).fstat(5, 3);
    let played = r.play_all();
    let shorts: Vec<_> = played.iter().map(Played::short).collect();
    assert_eq!(
        shorts,
        [
            "3<f>/log",
            "4<p>pipe:[9]",
            "5<4>0.0.0.0:22",
            // Somebody listens on its port: it is the server's end.
            "6<4>10.0.0.2:4000->10.0.0.5:22",
            "7<4>10.0.0.5:4001->10.0.0.9:80",
            "8<u>/run/s",
            "-",
            "3<?>",
        ]
    );
    assert_eq!((&*played[0].own().raw_name, played[0].own().dev, played[0].own().ino), ("", 5, 9));
    assert!(
        played[3].own().has(flag::SERVER | flag::CONNECTED) && played[4].own().has(flag::CLIENT)
    );
    assert_eq!(played[3].own().ports, (4000, 22));
}
