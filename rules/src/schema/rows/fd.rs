//! The fields of `fd`. Facts of falcosecurity/libs; the descriptions are ours.

macro_rules! fd_rows {
    ($next:ident $($then:ident)* { $($done:tt)* }) => {
        $next! { $($then)* { $($done)*
family Fd FdField {
    Fd {
        + FdNum "fd.num" I64 None One Plain [] "Number of the descriptor that the call made or used; -1 where it made none.";
        + FdType "fd.type" Text None One Plain [] "What the descriptor is of: file, directory, ipv4, ipv6, unix, netlink, pipe, event, signalfd, eventpoll, inotify, timerfd, bpf, userfaultfd, io_uring, memfd, pidfd.";
        + FdTypechar "fd.typechar" Text None One Plain [] "fd.type in one letter: f d 4 6 u n p e s l i t b u r m P.";
        + FdName "fd.name" Text None One Plain [] "Full path of a file, or both ends of a connection: 10.0.0.1:40000->10.0.0.2:80.";
        + FdDirectory "fd.directory" Text None One Plain [] "Directory of a file.";
        + FdFilename "fd.filename" Text None One Plain [] "Name of a file without its directory.";
        + FdIp "fd.ip" Ip None Ends Plain [FILTER_ONLY NO_RHS NO_TRANSFORMER] "Address of either end.";
        + FdCip "fd.cip" Ip None One Plain [] "Address of the client.";
        + FdSip "fd.sip" Ip None One Plain [] "Address of the server.";
        + FdLip "fd.lip" Ip None One Plain [] "Address of this end.";
        + FdRip "fd.rip" Ip None One Plain [] "Address of the other end.";
        + FdPort "fd.port" Port None Ends Plain [FILTER_ONLY NO_RHS NO_TRANSFORMER] "Port of either end.";
        + FdCport "fd.cport" Port None One Plain [] "Port of the client.";
        + FdSport "fd.sport" Port None One Plain [] "Port of the server.";
        + FdLport "fd.lport" Port None One Plain [] "Port of this end.";
        + FdRport "fd.rport" Port None One Plain [] "Port of the other end.";
        + FdL4proto "fd.l4proto" Text None One Plain [] "Protocol of a socket: tcp, udp, icmp, raw.";
        + FdSockfamily "fd.sockfamily" Text None One Plain [] "Family of a socket: ip or unix.";
        + FdIsServer "fd.is_server" Bool None One Plain [] "Whether the process is the server's end of the connection.";
        + FdUid "fd.uid" Text None One Plain [] "Thread id and descriptor number in one text, a name for the descriptor.";
        + FdContainername "fd.containername" Text None One Plain [] "Id of the container, a colon, and fd.name.";
        + FdContainerdirectory "fd.containerdirectory" Text None One Plain [] "Id of the container, a colon, and fd.directory.";
        + FdProto "fd.proto" Port None Ends Plain [FILTER_ONLY NO_RHS NO_TRANSFORMER] "Port of either end, by number or name of the service.";
        + FdCproto "fd.cproto" Text None One Plain [] "fd.cport as text.";
        + FdSproto "fd.sproto" Text None One Plain [] "fd.sport as text.";
        + FdLproto "fd.lproto" Text None One Plain [] "fd.lport as text.";
        + FdRproto "fd.rproto" Text None One Plain [] "fd.rport as text.";
        + FdNet "fd.net" Net None Ends Plain [FILTER_ONLY NO_RHS NO_TRANSFORMER] "Address of either end, compared with networks.";
        + FdCnet "fd.cnet" Net None One Plain [FILTER_ONLY NO_RHS NO_TRANSFORMER] "Address of the client, compared with networks.";
        + FdSnet "fd.snet" Net None One Plain [FILTER_ONLY NO_RHS NO_TRANSFORMER] "Address of the server, compared with networks.";
        + FdLnet "fd.lnet" Net None One Plain [FILTER_ONLY NO_RHS NO_TRANSFORMER] "Address of this end, compared with networks.";
        + FdRnet "fd.rnet" Net None One Plain [FILTER_ONLY NO_RHS NO_TRANSFORMER] "Address of the other end, compared with networks.";
        + FdConnected "fd.connected" Bool None One Plain [] "Whether the socket is connected.";
        + FdNameChanged "fd.name_changed" Bool None One Plain [] "Whether the call changed the socket's name: another peer than before.";
        + FdCipName "fd.cip.name" Text None Ends Plain [NO_RHS NO_TRANSFORMER] "Host names of the client's address, by the answers of name servers that were seen.";
        + FdSipName "fd.sip.name" Text None Ends Plain [NO_RHS NO_TRANSFORMER] "Host names of the server's address, by the answers of name servers that were seen.";
        + FdLipName "fd.lip.name" Text None Ends Plain [NO_RHS NO_TRANSFORMER] "Host names of this end's address, by the answers of name servers that were seen.";
        + FdRipName "fd.rip.name" Text None Ends Plain [NO_RHS NO_TRANSFORMER] "Host names of the other end's address, by the answers of name servers that were seen.";
        + FdDev "fd.dev" I32 None One Hex [] "Device of the file, major and minor in one number.";
        + FdDevMajor "fd.dev.major" I32 None One Plain [] "Major number of the file's device.";
        + FdDevMinor "fd.dev.minor" I32 None One Plain [] "Minor number of the file's device.";
        + FdIno "fd.ino" I64 None One Plain [] "Inode of the file.";
        + FdNameraw "fd.nameraw" Text None One Plain [] "Name as the process gave it.";
        + FdTypes "fd.types" Text OptionalIndex One Plain [LIST NO_RHS] "fd.type of every descriptor of the process, or of one by its number.";
        + FdIsUpperLayer "fd.is_upper_layer" Bool None One Plain [] "Whether the file lies in the upper layer of an overlay.";
        + FdIsLowerLayer "fd.is_lower_layer" Bool None One Plain [] "Whether the file lies in a lower layer of an overlay.";
        + FdNameView "fd.name_view" Text None One Plain [OURS] "Which spelling of the file's name is at hand: lexical (as the process wrote it), kernel (the file that was found), both.";
    }
}
        } }
    };
}
