//! The fields of `evt` and `syscall`. Facts of falcosecurity/libs; the descriptions are ours.

macro_rules! evt_rows {
    ($next:ident $($then:ident)* { $($done:tt)* }) => {
        $next! { $($then)* { $($done)*
family Evt EvtField {
    AnyEvent {
        + EvtNum "evt.num" U64 None One Plain [] "Number of the event; grows with every event, though live without being dense.";
        + EvtTime "evt.time" Text None One TimeOfDay [] "Local time of the event, with nanoseconds: 23:59:59.000000000.";
        + EvtTimeS "evt.time.s" Text None One TimeOfDaySeconds [] "Local time of the event in whole seconds: 23:59:59.";
        + EvtTimeIso8601 "evt.time.iso8601" Text None One Iso8601 [] "Time of the event in UTC by ISO 8601, with nanoseconds.";
        + EvtDatetime "evt.datetime" Text None One DateTime [] "Local date and time of the event, with nanoseconds.";
        + EvtDatetimeS "evt.datetime.s" Text None One DateTimeSeconds [] "Local date and time of the event in whole seconds.";
        + EvtRawtime "evt.rawtime" AbsTime None One Plain [] "Time of the event in nanoseconds since the epoch.";
        + EvtRawtimeS "evt.rawtime.s" AbsTime None One Plain [] "Whole seconds of the event's time since the epoch.";
        + EvtRawtimeNs "evt.rawtime.ns" AbsTime None One Padded [] "Nanoseconds of the event's time beyond its whole seconds.";
        ~ EvtReltime "evt.reltime" RelTime None One Padded [] "Nanoseconds since the first event of the run.";
        ~ EvtReltimeS "evt.reltime.s" RelTime None One Plain [] "Whole seconds since the first event of the run.";
        ~ EvtReltimeNs "evt.reltime.ns" RelTime None One Padded [] "Nanoseconds of evt.reltime beyond its whole seconds.";
        ~ EvtPluginname "evt.pluginname" Text None One Plain [] "Name of the plugin that the event comes from.";
        ~ EvtPlugininfo "evt.plugininfo" Text None One Plain [] "One line about the event, made by the plugin it comes from.";
        + EvtSource "evt.source" Text None One Plain [] "Source of the event: syscall, or the name of a plugin's source.";
        + EvtIsAsync "evt.is_async" Bool None One Plain [] "Whether the event was raised on its own and not by a system call.";
        + EvtAsynctype "evt.asynctype" Text None One Plain [] "Kind of an event that was raised on its own, such as container.";
        + EvtHostname "evt.hostname" Text None One Plain [] "Name of the host that the event was seen on.";
    }
    Syscall {
        + EvtLatency "evt.latency" RelTime None One Plain [DEPRECATED] "Always 0: calls are reported once, when they return.";
        + EvtLatencyS "evt.latency.s" RelTime None One Plain [DEPRECATED] "Always 0, as evt.latency.";
        + EvtLatencyNs "evt.latency.ns" RelTime None One Padded [DEPRECATED] "Always 0, as evt.latency.";
        + EvtLatencyQuantized "evt.latency.quantized" U64 None One Plain [DEPRECATED HIDDEN] "Always 0, as evt.latency.";
        + EvtLatencyHuman "evt.latency.human" Text None One Plain [DEPRECATED] "Always 0ns, as evt.latency.";
        ~ EvtDeltatime "evt.deltatime" RelTime None One Plain [] "Nanoseconds since the event before.";
        ~ EvtDeltatimeS "evt.deltatime.s" RelTime None One Plain [] "Whole seconds since the event before.";
        ~ EvtDeltatimeNs "evt.deltatime.ns" RelTime None One Padded [] "Nanoseconds of evt.deltatime beyond its whole seconds.";
        ~ EvtOutputtime "evt.outputtime" Text None One Plain [PRINT_ONLY] "Time of the event in the format that the output was asked for.";
        + EvtDir "evt.dir" Text None One Plain [DEPRECATED] "< for a call, which is reported when it returns; > for what is none, such as the delivery of a signal.";
        + EvtType "evt.type" Text None One Plain [] "Name of the call or event: open, connect, execve.";
        + EvtTypeIs "evt.type.is" U32 EventType One Plain [] "1 if the event is of the named type, else 0: evt.type.is.open.";
        + SyscallType "syscall.type" Text None One Plain [] "Name of the system call; events that are none have no value.";
        + EvtCategory "evt.category" Text None One Plain [] "Group of the call: file, net, ipc, memory, process, user, time and so on; of reading and writing that of the descriptor.";
        + EvtCpu "evt.cpu" I16 None One Plain [] "Number of the CPU on which it happened.";
        + EvtArgs "evt.args" Text None One Plain [] "All parameters as name=value, with what a value stands for in parentheses.";
        + EvtArg "evt.arg" Text EventParam One Plain [] "One parameter as text, by name or by place: evt.arg.flags, evt.arg[0]. Flags, errors and descriptors are spelt out.";
        + EvtRawarg "evt.rawarg" Dyn RawParam One Plain [NO_RHS NO_TRANSFORMER] "One parameter as the plain number or text it is: evt.rawarg.res.";
        + EvtInfo "evt.info" Text None One Plain [] "As evt.args.";
        + EvtBuffer "evt.buffer" Buffer None One Plain [] "First bytes of what a call read or wrote.";
        + EvtBuflen "evt.buflen" U64 None One Plain [] "Number of bytes that a call read or wrote.";
        + EvtRes "evt.res" Text None One Plain [] "Result of the call as text: SUCCESS, or the name of the error.";
        + EvtRawres "evt.rawres" I64 None One Plain [] "Result of the call as a number; an error is negative.";
        + EvtFailed "evt.failed" Bool None One Plain [] "Whether the call ended with an error.";
        + EvtIsIo "evt.is_io" Bool None One Plain [] "Whether the call reads or writes: read, write, send, recv and their kin.";
        + EvtIsIoRead "evt.is_io_read" Bool None One Plain [] "Whether the call reads: read, recv, recvfrom and their kin.";
        + EvtIsIoWrite "evt.is_io_write" Bool None One Plain [] "Whether the call writes: write, send, sendto and their kin.";
        + EvtIoDir "evt.io_dir" Text None One Plain [] "read or write, for calls that do either.";
        + EvtIsWait "evt.is_wait" Bool None One Plain [] "Whether the call may make its thread wait: sleep, select, poll and their kin.";
        + EvtWaitLatency "evt.wait_latency" RelTime None One Plain [DEPRECATED] "Always 0, as evt.latency.";
        + EvtIsSyslog "evt.is_syslog" Bool None One Plain [] "Whether it writes to /dev/log.";
        + EvtCount "evt.count" U32 None One Plain [] "Always 1, for summing up events.";
        + EvtCountError "evt.count.error" U32 None One Plain [] "1 for a call that ended with an error.";
        + EvtCountErrorFile "evt.count.error.file" U32 None One Plain [] "1 for a call on a file that ended with an error.";
        + EvtCountErrorNet "evt.count.error.net" U32 None One Plain [] "1 for a call on a socket that ended with an error.";
        + EvtCountErrorMemory "evt.count.error.memory" U32 None One Plain [] "1 for a call of the memory group that ended with an error.";
        + EvtCountErrorOther "evt.count.error.other" U32 None One Plain [] "1 for a call of any other group that ended with an error.";
        + EvtCountExit "evt.count.exit" U32 None One Plain [] "1 for an event at the return of a call.";
        + EvtCountProcinfo "evt.count.procinfo" U32 None One Plain [HIDDEN] "1 for an event with figures of a process.";
        + EvtCountThreadinfo "evt.count.threadinfo" U32 None One Plain [HIDDEN] "1 for an event with figures of a thread.";
        ~ EvtAround "evt.around" U64 Timestamp One Plain [FILTER_ONLY NO_RHS NO_TRANSFORMER] "Whether the event lies within so many milliseconds of a point in time: evt.around[1763780399000000000] = 500.";
        + EvtAbspath "evt.abspath" Text OptionalSide One Plain [] "Absolute path of a call that takes a directory's descriptor and a name; .src and .dst choose between two.";
        + EvtBuflenIn "evt.buflen.in" U64 None One Plain [HIDDEN] "Bytes that a call read.";
        + EvtBuflenOut "evt.buflen.out" U64 None One Plain [HIDDEN] "Bytes that a call wrote.";
        + EvtBuflenFile "evt.buflen.file" U64 None One Plain [HIDDEN] "Bytes that a call read from a file or wrote to one.";
        + EvtBuflenFileIn "evt.buflen.file.in" U64 None One Plain [HIDDEN] "Bytes that a call read from a file.";
        + EvtBuflenFileOut "evt.buflen.file.out" U64 None One Plain [HIDDEN] "Bytes that a call wrote to a file.";
        + EvtBuflenNet "evt.buflen.net" U64 None One Plain [HIDDEN] "Bytes that a call received from the network or sent to it.";
        + EvtBuflenNetIn "evt.buflen.net.in" U64 None One Plain [HIDDEN] "Bytes that a call received from the network.";
        + EvtBuflenNetOut "evt.buflen.net.out" U64 None One Plain [HIDDEN] "Bytes that a call sent to the network.";
        + EvtIsOpenRead "evt.is_open_read" Bool None One Plain [] "Whether a file is opened for reading.";
        + EvtIsOpenWrite "evt.is_open_write" Bool None One Plain [] "Whether a file is opened for writing.";
        ~ EvtInfraDockerName "evt.infra.docker.name" Text None One Plain [HIDDEN] "For events of Docker: the event's name.";
        ~ EvtInfraDockerContainerId "evt.infra.docker.container.id" Text None One Plain [HIDDEN] "For events of Docker: id of the container.";
        ~ EvtInfraDockerContainerName "evt.infra.docker.container.name" Text None One Plain [HIDDEN] "For events of Docker: name of the container.";
        ~ EvtInfraDockerContainerImage "evt.infra.docker.container.image" Text None One Plain [HIDDEN] "For events of Docker: image of the container.";
        + EvtIsOpenExec "evt.is_open_exec" Bool None One Plain [] "Whether an open, openat or creat makes a file that may be executed.";
        + EvtIsOpenCreate "evt.is_open_create" Bool None One Plain [] "Whether an open made a file that was not there before.";
        + EvtLineageComplete "evt.lineage_complete" Bool None One Plain [OURS] "Whether all is known of the process and of its ancestors: false after an event was lost that changed one of them, until what it said is known again.";
    }
}
        } }
    };
}
