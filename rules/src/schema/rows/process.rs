//! The fields of `proc` and `thread`. Facts of falcosecurity/libs; the descriptions are ours.

macro_rules! process_rows {
    ($next:ident $($then:ident)* { $($done:tt)* }) => {
        $next! { $($then)* { $($done)*
family Proc ProcField {
    Process {
        + ProcExe "proc.exe" Text None One Plain [] "First word of the command line, argv[0].";
        + ProcPexe "proc.pexe" Text None One Plain [] "proc.exe of the parent.";
        + ProcAexe "proc.aexe" Text OptionalIndex Ancestors Plain [NO_RHS NO_TRANSFORMER] "proc.exe of an ancestor, 0 being the process itself; without a number any ancestor counts.";
        + ProcExepath "proc.exepath" Text None One Plain [] "Full path of the executable.";
        + ProcPexepath "proc.pexepath" Text None One Plain [] "proc.exepath of the parent.";
        + ProcAexepath "proc.aexepath" Text OptionalIndex Ancestors Plain [NO_RHS NO_TRANSFORMER] "proc.exepath of an ancestor, 0 being the process itself; without a number any ancestor counts.";
        + ProcName "proc.name" Text None One Plain [] "Name of the process, at most 15 bytes.";
        + ProcPname "proc.pname" Text None One Plain [] "proc.name of the parent.";
        + ProcAname "proc.aname" Text OptionalIndex Ancestors Plain [NO_RHS NO_TRANSFORMER] "proc.name of an ancestor, 0 being the process itself; without a number any ancestor counts.";
        + ProcArgs "proc.args" Text OptionalIndex One Plain [] "Arguments behind the program's own name, joined by blanks; with a number one of them, 0 the first.";
        + ProcAargs "proc.aargs" Text OptionalIndex One Plain [] "proc.args of an ancestor, 0 being the process itself; without a number those of all ancestors joined.";
        + ProcCmdline "proc.cmdline" Text None One Plain [] "proc.name and proc.args.";
        + ProcPcmdline "proc.pcmdline" Text None One Plain [] "proc.cmdline of the parent.";
        + ProcAcmdline "proc.acmdline" Text OptionalIndex Ancestors Plain [NO_RHS NO_TRANSFORMER] "proc.cmdline of an ancestor, 0 being the process itself; without a number any ancestor counts.";
        + ProcCmdnargs "proc.cmdnargs" U64 None One Plain [] "Number of arguments.";
        + ProcCmdlenargs "proc.cmdlenargs" U64 None One Plain [] "Bytes of all arguments together, without what joins them.";
        + ProcExeline "proc.exeline" Text None One Plain [] "proc.exe and proc.args.";
        + ProcEnv "proc.env" Text OptionalKey One Plain [] "Environment; with a name the value of one variable, empty where it is not set.";
        + ProcAenv "proc.aenv" Text OptionalKeyOrIndex Ancestors Plain [NO_RHS NO_TRANSFORMER] "Environment of the nearest ancestor that has the named variable, or of the ancestor with this number.";
        + ProcCwd "proc.cwd" Text None One Plain [] "Working directory.";
        + ProcLoginshellid "proc.loginshellid" I64 None One Plain [] "Id of the oldest shell among the process and its ancestors; none where there is no shell.";
        + ProcTty "proc.tty" U32 None One Plain [] "Number of the controlling terminal, 0 where there is none.";
        + ProcPid "proc.pid" I64 None One Plain [] "Id of the process.";
        + ProcPpid "proc.ppid" I64 None One Plain [] "Id of the parent.";
        + ProcApid "proc.apid" I64 OptionalIndex Ancestors Plain [NO_RHS NO_TRANSFORMER] "Id of an ancestor, 0 being the process itself; without a number any ancestor counts.";
        + ProcVpid "proc.vpid" I64 None One Plain [] "Id of the process in its own pid namespace.";
        + ProcPvpid "proc.pvpid" I64 None One Plain [] "proc.vpid of the parent.";
        + ProcSid "proc.sid" I64 None One Plain [] "Id of the session.";
        + ProcSname "proc.sname" Text None One Plain [] "Name of the session's leader or, where that is gone, of the oldest known process of the session.";
        + ProcSidExe "proc.sid.exe" Text None One Plain [] "proc.exe of the session's leader, found as for proc.sname.";
        + ProcSidExepath "proc.sid.exepath" Text None One Plain [] "proc.exepath of the session's leader, found as for proc.sname.";
        + ProcVpgid "proc.vpgid" I64 None One Plain [] "Id of the process group in its own pid namespace.";
        + ProcVpgidName "proc.vpgid.name" Text None One Plain [] "Name of the group's leader or, where that is gone, of the oldest known process of the group.";
        + ProcVpgidExe "proc.vpgid.exe" Text None One Plain [] "proc.exe of the group's leader, found as for proc.vpgid.name.";
        + ProcVpgidExepath "proc.vpgid.exepath" Text None One Plain [] "proc.exepath of the group's leader, found as for proc.vpgid.name.";
        + ProcPgid "proc.pgid" I64 None One Plain [] "Id of the process group, as the host sees it.";
        + ProcPgidName "proc.pgid.name" Text None One Plain [] "Name of the group's leader or, where that is gone, of the oldest known process of the group.";
        + ProcPgidExe "proc.pgid.exe" Text None One Plain [] "proc.exe of the group's leader, found as for proc.pgid.name.";
        + ProcPgidExepath "proc.pgid.exepath" Text None One Plain [] "proc.exepath of the group's leader, found as for proc.pgid.name.";
        + ProcDuration "proc.duration" RelTime None One Plain [] "Nanoseconds since the process started.";
        + ProcPpidDuration "proc.ppid.duration" RelTime None One Plain [] "proc.duration of the parent.";
        + ProcPidTs "proc.pid.ts" RelTime None One Plain [] "When the process started, in nanoseconds since the epoch.";
        + ProcPpidTs "proc.ppid.ts" RelTime None One Plain [] "proc.pid.ts of the parent.";
        + ProcIsExeWritable "proc.is_exe_writable" Bool None One Plain [] "Whether the process's user may write to the executable.";
        + ProcIsExeUpperLayer "proc.is_exe_upper_layer" Bool None One Plain [] "Whether the executable lies in the upper layer of an overlay: it is not from the image.";
        + ProcIsExeLowerLayer "proc.is_exe_lower_layer" Bool None One Plain [] "Whether the executable lies in a lower layer of an overlay: it is from the image.";
        + ProcIsExeFromMemfd "proc.is_exe_from_memfd" Bool None One Plain [] "Whether the executable is an anonymous file in memory.";
        + ProcIsSidLeader "proc.is_sid_leader" Bool None One Plain [] "Whether the process leads its session.";
        + ProcIsVpgidLeader "proc.is_vpgid_leader" Bool None One Plain [] "Whether the process leads its group, by the ids of its own pid namespace.";
        + ProcIsPgidLeader "proc.is_pgid_leader" Bool None One Plain [] "Whether the process leads its group, by the ids of the host.";
        + ProcExeIno "proc.exe_ino" I64 None One Plain [] "Inode of the executable.";
        + ProcExeInoCtime "proc.exe_ino.ctime" AbsTime None One Plain [] "Last change of the executable's inode, in nanoseconds since the epoch.";
        + ProcExeInoMtime "proc.exe_ino.mtime" AbsTime None One Plain [] "Last change of the executable's contents, in nanoseconds since the epoch.";
        + ProcExeInoCtimeDurationProcStart "proc.exe_ino.ctime_duration_proc_start" AbsTime None One Plain [] "Nanoseconds from the executable's last change to the start of the process.";
        + ProcExeInoCtimeDurationPidnsStart "proc.exe_ino.ctime_duration_pidns_start" AbsTime None One Plain [] "Nanoseconds from the start of the pid namespace to the executable's last change.";
        + ProcPidnsInitStartTs "proc.pidns_init_start_ts" U64 None One Plain [] "When the pid namespace's first process started, in nanoseconds since the epoch.";
        + ThreadCapPermitted "thread.cap_permitted" Text None One Plain [] "Permitted capabilities.";
        + ThreadCapInheritable "thread.cap_inheritable" Text None One Plain [] "Inheritable capabilities.";
        + ThreadCapEffective "thread.cap_effective" Text None One Plain [] "Effective capabilities.";
        + ProcFdopencount "proc.fdopencount" U64 None One Plain [] "Number of open descriptors.";
        + ProcFdlimit "proc.fdlimit" I64 None One Plain [] "Number of descriptors that the process may open.";
        + ProcFdusage "proc.fdusage" Double None One Plain [] "Open descriptors as a percentage of the limit.";
        + ProcVmsize "proc.vmsize" U64 None One Plain [] "Virtual memory of the process, in KiB.";
        + ProcVmrss "proc.vmrss" U64 None One Plain [] "Resident memory of the process, in KiB.";
        + ProcVmswap "proc.vmswap" U64 None One Plain [] "Swapped memory of the process, in KiB.";
        + ThreadPfmajor "thread.pfmajor" U64 None One Plain [] "Major page faults since the thread started.";
        + ThreadPfminor "thread.pfminor" U64 None One Plain [] "Minor page faults since the thread started.";
        + ThreadTid "thread.tid" I64 None One Plain [] "Id of the thread.";
        + ThreadIsmain "thread.ismain" Bool None One Plain [] "Whether the thread is the main one of its process.";
        + ThreadVtid "thread.vtid" I64 None One Plain [] "Id of the thread in its own pid namespace.";
        + ThreadNametid "thread.nametid" Text None One Plain [HIDDEN] "Name of the process and id of the thread.";
        + ThreadExectime "thread.exectime" RelTime None One Plain [] "CPU time of the thread when it last ran, in nanoseconds.";
        + ThreadTotexectime "thread.totexectime" RelTime None One Plain [] "CPU time of the thread since the run began, in nanoseconds.";
        + ThreadCgroups "thread.cgroups" Text None One Plain [] "All control groups of the thread.";
        + ThreadCgroup "thread.cgroup" Text Subsystem One Plain [] "Control group of the thread in one subsystem: thread.cgroup.cpuacct.";
        + ProcNthreads "proc.nthreads" U64 None One Plain [] "Number of living threads, the main one included.";
        + ProcNchilds "proc.nchilds" U64 None One Plain [] "Number of living threads beside the main one.";
        + ThreadCpu "thread.cpu" Double None One Plain [] "CPU that the thread used in the last second, in percent.";
        + ThreadCpuUser "thread.cpu.user" Double None One Plain [] "CPU that the thread used in user mode in the last second, in percent.";
        + ThreadCpuSystem "thread.cpu.system" Double None One Plain [] "CPU that the thread used in the kernel in the last second, in percent.";
        + ThreadVmsize "thread.vmsize" U64 None One Plain [] "Virtual memory of the process, in KiB, given for its main thread only.";
        + ThreadVmrss "thread.vmrss" U64 None One Plain [] "Resident memory of the process, in KiB, given for its main thread only.";
        + ThreadVmsizeB "thread.vmsize.b" U64 None One Plain [HIDDEN] "thread.vmsize in bytes.";
        + ThreadVmrssB "thread.vmrss.b" U64 None One Plain [HIDDEN] "thread.vmrss in bytes.";
        + ProcStdinType "proc.stdin.type" Text None One Plain [] "What standard input is, as fd.type tells it.";
        + ProcStdoutType "proc.stdout.type" Text None One Plain [] "What standard output is, as fd.type tells it.";
        + ProcStderrType "proc.stderr.type" Text None One Plain [] "What standard error is, as fd.type tells it.";
        + ProcStdinName "proc.stdin.name" Text None One Plain [] "fd.name of standard input.";
        + ProcStdoutName "proc.stdout.name" Text None One Plain [] "fd.name of standard output.";
        + ProcStderrName "proc.stderr.name" Text None One Plain [] "fd.name of standard error.";
    }
}
        } }
    };
}
