//! A run from the command line to the exit code. Every step that can fail comes before the first thread, and undoes itself when it is dropped.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use capture::savefile::Replay;
use clap::CommandFactory as _;
use outputs::{Outbox, Sink};
use perf::{Moment, Registry, Snapshot};
use rules::Ruleset;

use crate::cli::{self, Cli, CliEnd, Command, CompletionsArgs, ConfigSource, Settings};
use crate::config::{
    self, AsAgent, CaptureSource, Config, FileOutput, ProgramOutput, Reading, RuleInputs,
};
use crate::control::{Answers, ControlSocket, Job};
use crate::falco_flags::{self, NoPidfile, Questions, RunFlags};
use crate::give_back::GiveBack;
use crate::lifecycle::{Lifecycle, Patience};
use crate::live::{self, Kernel, Loaded};
use crate::plan::Plan;
use crate::playback_demand::{Demands, looked_into};
use crate::push_down::PushDown;
use crate::recorder::RecorderParts;
use crate::reload_thread::{self, ReloadThread};
use crate::replay::{PROFILE_EVERY, ReplayProfile, Wishes};
use crate::request::{AgentStats, Response, Watched};
use crate::rule_commands::{Invalid, unless_reader_gone};
use crate::rule_load::{self, LoadError, LoadedRules};
use crate::rules_at_work::{self, AtStart, LiveSource, Origin, RulesAtWork, whole_profile};
use crate::sandbox::{self, Needs, Outside};
use crate::savefile_errors::{self, LeftOut, NamedBy};
use crate::self_alerts::SelfAlerts;
use crate::signals::{self, EndSender, Ending, Stdout};
use crate::start::{StartBlock, count};
use crate::top::{Onlookers, Seen};
use crate::topology::{Parts, RunEnd, Source, Topology};
use crate::visible::Visible;
use crate::{
    config_command, doctor, events_command, fields_command, host, launch, outbox_watch, privileges,
    rule_commands, stats, supervisor, telling, top, trace, unclean_stop,
};

/// How long sinks that are given up have to be counted.
const GIVEN_UP: Duration = Duration::from_secs(1);

/// How long the last words of a process that is ended may take.
const SAID_WITHIN: Duration = Duration::from_millis(500);

/// How long after the start what was there before has gone through the shards.
const SETTLED: Duration = Duration::from_secs(2);

/// Runs the program; the arguments start with its name. What goes wrong is one line on stderr that begins as Falco's, `Error: `, and exit code 1.
pub fn main(args: impl IntoIterator<Item = OsString>, give_back: GiveBack) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let ended = match cli::parse(&args) {
        Ok(cli) => run(cli, &args, give_back),
        Err(CliEnd::Print(text)) => {
            // Help into a closed pipe is nobody's loss.
            drop(std::io::stdout().write_all(text.as_bytes()));
            Ok(ExitCode::SUCCESS)
        }
        Err(CliEnd::Refuse(line)) => Err(anyhow!(line)),
    };
    match ended {
        Ok(code) => code,
        Err(e) if e.is::<trace::Refusal>() => {
            say(&format!("{e}\n"));
            ExitCode::FAILURE
        }
        Err(e) if e.is::<Invalid>() => {
            say(&format!("Error: {e}\n"));
            ExitCode::FAILURE
        }
        Err(e) => {
            say(&format!("Error: {}\n", one_line(&format!("{e:#}"))));
            if e.is::<NoPidfile>() {
                return ExitCode::from(NoPidfile::CODE);
            }
            e.downcast_ref::<trace::NotRun>().map_or(ExitCode::FAILURE, |e| ExitCode::from(e.code))
        }
    }
}

/// Writes to stderr. A stderr that is gone must not end the run, so this is not `eprint!`.
pub(crate) fn say(text: &str) {
    drop(Visible(std::io::stderr().lock()).write_all(text.as_bytes()));
}

/// Messages may quote files and the kernel; the promise is one line.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("; ")
}

fn run(cli: Cli, args: &[OsString], give_back: GiveBack) -> Result<ExitCode> {
    let Cli { command, source, set, lists, falco, questions, run } = cli;
    let done = match command.or_else(|| lists.command()) {
        Some(Command::Trace(args)) => return trace::run(&args),
        Some(Command::Record(args)) => return trace::run(&args.into_trace()),
        Some(Command::Launch(args)) => return launch::run(&args),
        Some(Command::Doctor(args)) => {
            return doctor::run(&args, &mut Visible(std::io::stdout().lock()));
        }
        Some(Command::Stats(args)) => {
            let config = config::load_and_say(&args.source, &set)?;
            stats::run(&args, &config.socket, &mut Visible(std::io::stdout().lock()))
        }
        Some(Command::Top(args)) => {
            let config = config::load_and_say(&args.source, &set)?;
            top::run(&args, &config.socket)
        }
        Some(Command::Rules(command)) => {
            rule_commands::run(&command, &mut Visible(std::io::stdout().lock()))
        }
        Some(Command::Config(command)) => unless_reader_gone(config_command::run(
            &command,
            &mut Visible(std::io::stdout().lock()),
        )),
        Some(Command::Fields(args)) => {
            unless_reader_gone(fields_command::run(&args, &mut Visible(std::io::stdout().lock())))
        }
        Some(Command::Events(args)) => {
            unless_reader_gone(events_command::run(&args, &mut Visible(std::io::stdout().lock())))
        }
        None if falco.is_any() => {
            let config = config::load_and_say(&source, &set)?;
            rule_commands::run_falco(&falco, &config, &mut Visible(std::io::stdout().lock()))
        }
        Some(Command::Completions(CompletionsArgs { shell })) => {
            let (mut command, mut text) = (Cli::command(), Vec::new());
            clap_complete::generate(shell, &mut command, "peregrine", &mut text);
            unless_reader_gone(std::io::stdout().lock().write_all(&text).map_err(Into::into))
        }
        Some(Command::Man(args)) => falco_flags::man(Cli::command(), &args.directory),
        None if questions.is_any() => unless_reader_gone(answer(&questions, &source, &set, args)),
        Some(Command::Replay(args)) => {
            let (source, set, wishes) = args.into_parts();
            start(Origin { source, set }, wishes, &run, give_back)
        }
        None => start(Origin { source, set }, Wishes::default(), &run, give_back),
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// Answers the first question in Falco's order.
fn answer(
    questions: &Questions,
    source: &ConfigSource,
    set: &Settings,
    args: &[OsString],
) -> Result<()> {
    let out = &mut Visible(std::io::stdout().lock());
    if questions.config_schema {
        Ok(out.write_all(config::json_schema().as_bytes())?)
    } else if questions.rule_schema {
        falco_flags::rule_schema(out)
    } else if questions.ignored {
        falco_flags::ignored(out)
    } else if questions.version {
        // Whoever asks for the version may have a file that this one cannot read.
        falco_flags::version(config::load(source, set).ok().as_ref(), out)
    } else if questions.page_size {
        Ok(writeln!(out, "{}", rustix::param::page_size())?)
    } else if let Some(name) = &questions.plugin_info {
        falco_flags::plugin_info(name)
    } else if questions.list_plugins {
        config::load_and_say(source, set)?;
        Ok(out.write_all(b"0 Plugins Loaded:\n\n\n")?)
    } else {
        let config = config::load_and_say(source, set)?;
        falco_flags::support(&config, &Reading::of(source)?, args, out)
    }
}

/// Loads the rules; errors and warnings are drawn on stderr.
pub(crate) fn load_rules(config: &Config) -> Result<LoadedRules> {
    match rule_load::load(config) {
        Ok(rules) => {
            for doubt in rule_load::doubts(&rules.ruleset) {
                say(&format!("{doubt}\n"));
            }
            Ok(rules)
        }
        Err(LoadError::Rules(errors)) => {
            for error in &errors {
                say(&format!("{error}\n"));
            }
            bail!("{} in the rules, nothing was started", count(errors.len(), "error"))
        }
        Err(LoadError::Other(e)) => Err(e),
    }
}

fn rules_line(inputs: &RuleInputs, ruleset: &Ruleset) -> String {
    let from = match inputs {
        RuleInputs::BuiltIn => "the built-in rules".to_owned(),
        RuleInputs::Configured(paths) | RuleInputs::Given(paths) => {
            paths.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", ")
        }
    };
    let n_types = ruleset.interest().len();
    format!(
        "{} from {from}, asking for {}",
        count(ruleset.rules().len(), "rule"),
        count(n_types, "event type")
    )
}

/// Says which rules wait for events that the running kernel's source never gives.
pub(crate) fn blind_rules(ruleset: &Ruleset) -> Option<String> {
    let (types, calls) = (capture::capturable(), capture::generic_calls());
    let blind = ruleset.blind_to(&types, &calls);
    let names: Vec<&str> = blind.map(|r| &*r.name).collect();
    (!names.is_empty()).then(|| {
        let n = count(names.len(), "rule");
        format!("{n} can never match, their events are not seen live: {}", names.join(", "))
    })
}

fn sinks(config: &Config) -> Result<Vec<Sink>> {
    let config::Outputs {
        stdout,
        file,
        http,
        syslog,
        program,
        outbox: _,
        rate_control: _,
        timeout: _,
    } = &config.outputs;
    let mut sinks = Vec::new();
    if let Some(limits) = *stdout {
        sinks.push(Sink::stdout(limits)?);
    }
    if let Some(FileOutput { filename, kept, limits }) = file {
        sinks.push(Sink::file(filename, *kept, *limits)?);
    }
    if let Some(http) = http {
        sinks.push(http.sink()?);
    }
    if let Some(syslog) = syslog {
        sinks.push(syslog.sink()?);
    }
    if let Some(ProgramOutput { settings, limits }) = program {
        sinks.push(Sink::program(settings.clone(), *limits));
    }
    Ok(sinks)
}

/// Opens the outbox, if a sink is durable, and joins those to it. A replay needs none: it waits for its sinks.
fn join_outbox(config: &Config, sinks: Vec<Sink>) -> Result<(Vec<Sink>, Option<Outbox>)> {
    let names: Vec<_> = sinks.iter().filter(|s| s.is_durable()).map(Sink::name).collect();
    if names.is_empty() || matches!(config.source, CaptureSource::Replay(_)) {
        return Ok((sinks, None));
    }
    let outputs::Opened { outbox, readers } = Outbox::recover(&config.outputs.outbox, &names)?;
    let mut readers = readers.into_iter();
    let join = |sink: Sink| match sink.is_durable().then(|| readers.next()).flatten() {
        Some(reader) => sink.durable(reader),
        None => sink,
    };
    Ok((sinks.into_iter().map(join).collect(), Some(outbox)))
}

fn stdout(config: &Config) -> Stdout {
    if config.outputs.stdout.is_some() { Stdout::Watched } else { Stdout::Unused }
}

/// What stops captures and says what they cover; nothing for a replay.
struct Opened {
    kernel: Option<Kernel>,
    source: Source,
    users: stages::Users,
    hostname: String,
    recorder: Option<RecorderParts>,
    block: StartBlock,
}

/// A source that is there and can be used, before anything of it runs.
enum Checked {
    Live(Loaded),
    Replay(PathBuf, Box<Replay>),
}

fn check_source(config: &Config, ruleset: &Ruleset, wishes: Wishes) -> Result<Checked> {
    Ok(match &config.source {
        CaptureSource::Live => Checked::Live(Kernel::load(live::options(config, ruleset))?),
        CaptureSource::Replay(path) => {
            let named_by = if wishes.is_command { NamedBy::Argument } else { NamedBy::Key };
            let broken = |e| anyhow!(savefile_errors::of_replay(path, named_by, &e));
            let replay = Replay::open_within(path, config.limits.rooms).map_err(broken)?;
            Checked::Replay(path.clone(), Box::new(replay))
        }
    })
}

fn open(
    config: &Config,
    source: Checked,
    wishes: Wishes,
    registry: &mut Registry,
) -> Result<Opened> {
    match source {
        Checked::Live(loaded) => open_kernel(config, loaded, registry),
        Checked::Replay(path, mut replay) => {
            replay.set_process_limits(config.limits.of_recording());
            if let Some(limit) = config.ends_after {
                replay.end_after(limit);
            }
            if wishes.is_profiled {
                let mut latency = |name| registry.latency(name, PROFILE_EVERY);
                replay.time(PROFILE_EVERY, latency("read"), latency("convert"));
            }
            let header = replay.header();
            let users = crate::savefile_users::users(header).bounded(config.limits.rooms.users());
            let hostname = header
                .machine
                .as_ref()
                .map(|m| String::from_utf8_lossy(&m.hostname).into_owned())
                .filter(|name| !name.is_empty())
                .unwrap_or_else(|| "unknown".to_owned());
            let block = StartBlock {
                source: format!(
                    "replay of {}, recorded on {hostname}, {} in its list",
                    path.display(),
                    count(replay.n_seeds() as usize, "process").replace("processs", "processes")
                ),
                ..StartBlock::default()
            };
            let source = Source::Replay(replay);
            Ok(Opened { kernel: None, source, users, hostname, recorder: None, block })
        }
    }
}

fn open_kernel(config: &Config, loaded: Loaded, registry: &mut Registry) -> Result<Opened> {
    let realtime_offset_ns = perf::realtime_offset_ns();
    let Loaded { kernel, clock, losses, host_marks } = loaded;
    let rings = kernel.rings()?;
    // Made before anything is attached: an unwritable path must not leave a trace.
    let recorder = config.write.as_deref().map(RecorderParts::create).transpose()?;
    let seeds = kernel.attach()?;
    kernel.register(registry, config.ring_bytes, &seeds);
    let recorder = recorder.map(|r| r.begin(realtime_offset_ns, &seeds)).transpose()?;
    let report = kernel.report();
    let to_try = match config.rules {
        RuleInputs::BuiltIn if config.scope_pid.is_none() => {
            Some("cat /etc/shadow   in another shell".to_owned())
        }
        _ => None,
    };
    let scope = config.scope_pid.map(|pid| format!(", only process {pid} and what it starts"));
    let block = StartBlock {
        source: format!(
            "kernel {}, {}{}",
            report.kernel,
            count(rings.len(), "CPU"),
            scope.unwrap_or_default()
        ),
        attached: report.attached,
        refused: report.refused,
        not_covered: report.not_covered,
        warnings: report.warnings,
        to_try,
        ..StartBlock::default()
    };
    let losses = Box::new(losses);
    let source = Source::Live { rings, seeds, clock, realtime_offset_ns, losses, host_marks };
    let (users, hostname) = (host::users(), host::hostname());
    Ok(Opened { kernel: Some(kernel), source, users, hostname, recorder, block })
}

/// Ends a live run after so long.
fn end_after(limit: Duration, end: EndSender) {
    // It ends with the process.
    drop(std::thread::spawn(move || {
        std::thread::sleep(limit);
        end.source_ended();
    }));
}

/// Ends the process where the end takes longer than it may: a thread of the pipeline is stuck, in a file that does not answer or a rule that
/// does not end. Sinks are given up before. That nobody reads what it says of it does not keep it, either.
fn end_by(deadline: Instant, registry: Arc<Registry>) {
    // It ends with the process.
    drop(std::thread::spawn(move || {
        std::thread::sleep((deadline + GIVEN_UP).saturating_duration_since(Instant::now()));
        let snapshot = registry.snapshot(Moment::Running);
        let n = |name: &str| snapshot.get(name).unwrap_or(0);
        let n_events = n("capture.read").saturating_sub(n("shard.parsed"));
        let n_alerts = n("shard.alerts").saturating_sub(n("outputs.received"));
        let text = format!(
            "{}Error: not at the end within peregrine.end_within_ms: {} read and not evaluated, {} raised and not given to outputs; the process ends\n",
            snapshot.table(),
            count(n_events as usize, "event"),
            count(n_alerts as usize, "alert"),
        );
        let (has_said, said) = channel::<()>();
        drop(std::thread::spawn(move || {
            say(&text);
            drop(has_said);
        }));
        let _said_or_not = said.recv_timeout(SAID_WITHIN);
        signal_hook::low_level::exit(1);
    }));
}

/// Has the kernel reject what no rule can match; says what that comes to.
fn pushed_down(config: &Config, ruleset: &Ruleset, kernel: &Kernel) -> String {
    let push_down = PushDown::of(config, ruleset);
    match push_down.put(kernel) {
        Ok(()) => push_down.said(),
        Err(e) => format!("off: the kernel refuses it: {}", one_line(&format!("{e:#}"))),
    }
}

/// What there is to tell of configuration and rules; has the kernel reject what no rule can match.
fn tell_rules(
    block: &mut StartBlock,
    config: &Config,
    ruleset: &Ruleset,
    kernel: Option<&Kernel>,
    flags: &RunFlags,
) {
    block.rules = rules_line(&config.rules, ruleset);
    block.config = config.files();
    if let Some(path) = &config.write {
        block.source.extend([", recorded to ", &path.display().to_string()]);
    }
    block.warnings.extend(config.doubts.iter().chain(&config.warnings).cloned());
    block.warnings.extend(rule_load::notes(ruleset, config));
    let Some(kernel) = kernel else { return };
    block.warnings.extend(blind_rules(ruleset));
    block.push_down = Some(pushed_down(config, ruleset, kernel));
    if flags.verbose {
        say(&rule_commands::pushed_down(config, ruleset));
    }
}

/// Watches, or does as if.
fn start(origin: Origin, wishes: Wishes, flags: &RunFlags, give_back: GiveBack) -> Result<()> {
    let (config, given) = config::load_given(&origin.source, &origin.set)?;
    let config = Config { agent: Some(AsAgent { pid_file: flags.pidfile.clone() }), ..config };
    let at_start = AtStart::of(&config, given);
    flags.check_sources(&config)?;
    if flags.verbose {
        for line in Reading::of(&origin.source)?.validations() {
            say(&format!("{line}\n"));
        }
    }
    if flags.dry_run {
        return falco_flags::dry_run(&config, flags);
    }
    watch(&config, at_start, origin, wishes, flags, give_back)
}

#[expect(clippy::too_many_lines, reason = "one part after the other, each once")]
fn watch(
    config: &Config,
    at_start: AtStart,
    origin: Origin,
    wishes: Wishes,
    flags: &RunFlags,
    give_back: GiveBack,
) -> Result<()> {
    if config.source == CaptureSource::Live
        && let Err(e) = privileges::leave_no_core()
    {
        say(&format!("peregrine: {e:#}\n"));
    }
    let rules = load_rules(config)?;
    if flags.verbose {
        say(&rules.files());
    }
    let ruleset = Arc::clone(&rules.ruleset);
    let measured = Arc::clone(&ruleset);
    let sinks = sinks(config)?;
    let (mut ending, end) = signals::install(stdout(config))?;
    let (wisher, reload_wishes) = reload_thread::channel()?;
    if config.source == CaptureSource::Live {
        let wisher = wisher.try_clone()?;
        ending.when_told_to_reload(&end, move || wisher.reload())?;
    }
    let mut registry = Registry::new();
    // What reading the rules took is not to add to what reading the kernel's types takes.
    (give_back.all)();
    // What is missing of the source is said before the socket's directory is: without root both are. But of two agents the second must not
    // attach, so the socket comes before that.
    let mut source = check_source(config, &ruleset, wishes)?;
    let is_asked = !wishes.is_command || origin.source.socket.is_some();
    if let (Checked::Replay(_, replay), false) = (&mut source, is_asked) {
        // Nobody can give it other rules.
        let demands = Demands::of_rules(&ruleset);
        replay.set_demand(|ty| demands.of(ty));
        replay.look_into(&looked_into(&ruleset));
    }
    let control = is_asked.then(|| ControlSocket::bind(&config.socket)).transpose()?;
    let telling = telling::open(config)?;
    // Programs are loaded and addresses bound, and there is one thread.
    let kept = match config.source {
        CaptureSource::Live => privileges::after_loading(config),
        CaptureSource::Replay(_) => None,
    };
    let (sinks, mut outbox) = join_outbox(config, sinks)?;
    // Nor what loading the programs took to what the rings take, and the processes that are there.
    (give_back.all)();
    let Opened { kernel, source, users, hostname, recorder, mut block } =
        open(config, source, wishes, &mut registry)?;
    // Processes that were there have been looked at, which bounded threads cannot; what comes later is for threads that are started outside.
    let mut outside = Outside::start()?;
    let needs = Needs { config, reads: at_start.reads(), pidfile: flags.pidfile.as_deref() };
    let sandbox = kernel.is_some().then(|| sandbox::enter(&needs, &mut outside));
    if let Some(outbox) = &mut outbox {
        outbox.start()?;
    }
    let plan = Plan::new(config, &perf::allowed_cpus());
    tell_rules(&mut block, config, &ruleset, kernel.as_ref(), flags);
    block.topology.clone_from(&plan.why);
    block.socket = control.is_some().then(|| config.socket.display().to_string());
    block.web = telling.shown()?;
    block.kept = kept;
    if let Some(said) = &sandbox {
        registry.note(format!("sandbox: {said}"));
    }
    block.sandbox = sandbox;
    block.warnings.extend(outbox.as_ref().and_then(unclean_stop::found));
    if let (Some(limit), Some(_)) = (config.ends_after, &kernel) {
        end_after(limit, end.try_clone()?);
    }
    let gauge = outbox.as_ref().map(Outbox::gauge);
    let lifecycle = Arc::new(Lifecycle::new(config.end_within));
    let (single_thread, clock) = (plan.single_thread, source.clock());
    let parts = Parts {
        config,
        plan,
        source,
        ruleset,
        users: Arc::new(users),
        hostname,
        sinks,
        outbox,
        recorder,
        end,
        lifecycle: Arc::clone(&lifecycle),
        outside,
        give_back,
    };
    let _pidfile = flags.write_pidfile()?;
    let mut topology = Topology::build(parts, &mut registry)?;
    let registry = Arc::new(registry);
    let live = kernel.clone().zip(clock).map(|(kernel, clock)| LiveSource {
        kernel,
        clock,
        names: topology.name_lookups(),
    });
    let left_out_notes = topology.left_out_notes();
    ending.when_told_to_reopen(topology.reopener());
    let swap = topology.rule_swap();
    if wishes.is_profiled {
        swap.begin_profile(PROFILE_EVERY)?;
    }
    let rules = Arc::new(RulesAtWork::new(rules_at_work::Parts {
        origin,
        config: config.clone(),
        at_start,
        rules,
        swap: Arc::clone(&swap),
        live,
        lifecycle: Arc::clone(&lifecycle),
        alerts: topology.take_reload_alerts(),
        reformat: Box::new(topology.reformatter()),
        wisher: wisher.try_clone()?,
        give_back,
    }));
    let feeding = supervisor::feed(topology.progress())?;
    let self_alerts = topology.take_self_alerts();
    let watching = gauge
        .zip(self_alerts.clone())
        .map(|(gauge, alerts)| outbox_watch::watch(gauge, &config.outputs.outbox.directory, alerts))
        .transpose()?;
    let mut telling = telling.start(config, &mut topology, &registry, &rules)?;
    let answers = answers(
        Arc::clone(&registry),
        Arc::clone(&rules),
        topology.onlookers(),
        self_alerts.clone(),
    );
    let control = control.map(|control| control.serve(answers)).transpose()?;
    let started = || {
        lifecycle.started(&block.text());
        let start = || ReloadThread::start(Arc::clone(&rules), wisher, reload_wishes);
        kernel.is_some().then(start).transpose()
    };
    let begin = Instant::now();
    let mut detach = |why| {
        let is_bounded = kernel.is_some() || why == Ending::Signal;
        let patience = if is_bounded { Patience::Bounded } else { Patience::Unbounded };
        if let Some(deadline) = lifecycle.ending(patience) {
            end_by(deadline, Arc::clone(&registry));
        }
        rules.end();
        telling.end_snapshots();
        if let Some(alerts) = &self_alerts {
            alerts.end();
        }
        if let Some(kernel) = &kernel {
            kernel.detach();
        }
    };
    let (why, RunEnd { troubles, passed_over, findings }) = if single_thread {
        let _reload = started()?;
        topology.run_single(&registry, &ending, detach)?
    } else {
        let running = topology.start(&registry)?;
        let _reload = started()?;
        (give_back.all)();
        let why = ending.wait_for(SETTLED).unwrap_or_else(|| {
            (give_back.all)();
            ending.wait()
        });
        detach(why);
        if why == Ending::SourceEnded {
            ending.end_at_once();
        }
        (why, running.finish())
    };
    let seconds = begin.elapsed().as_secs_f64();
    drop((control, telling, feeding, watching));
    let snapshot = registry.snapshot(Moment::Final);
    if wishes.is_profiled {
        let rules = whole_profile(&swap, &measured, PROFILE_EVERY, seconds);
        say(&ReplayProfile::new(&snapshot, rules).text(config.format.json)?);
    }
    if let CaptureSource::Replay(path) = &config.source
        && let Some(line) = savefile_errors::left_out(
            path,
            LeftOut { counts: passed_over, findings: &findings, notes: left_out_notes() },
        )
    {
        say(&format!("{line}\n"));
    }
    finish(why, &snapshot, &troubles)
}

fn answers(
    registry: Arc<Registry>,
    rules: Arc<RulesAtWork>,
    onlookers: Arc<Onlookers>,
    alerts: Option<SelfAlerts>,
) -> Answers {
    let (asked, began_ns) = (Arc::clone(&rules), perf::boot_now_ns());
    let stats = Arc::new(move || AgentStats {
        began_ns,
        snapshot: registry.snapshot(Moment::Running),
        rules: asked.stats(),
    });
    let now = Arc::clone(&stats);
    Answers {
        stats: Box::new(move || stats()),
        watch: Box::new(move |request| match onlookers.look(request) {
            Ok(Seen { sampled, last_alert, alerts }) => {
                Response::Watched(Box::new(Watched { stats: now(), sampled, last_alert, alerts }))
            }
            Err(why) => Response::Error(why),
        }),
        job: Box::new(move |job, asker| match job {
            Job::Reload(request) => rules.reload(&request, asker),
            Job::Profile(request) => rules.profile(request, asker),
        }),
        refused: Box::new(move |peer| {
            if let Some(alerts) = &alerts {
                alerts.refused(peer);
            }
        }),
    }
}

fn finish(why: Ending, snapshot: &Snapshot, troubles: &[String]) -> Result<()> {
    // A reader that stopped asked for silence.
    if why != Ending::ReaderGone {
        say(&snapshot.table());
    }
    let mut troubles = troubles.to_vec();
    if why == Ending::EventsDropped {
        troubles.push("ended because events were dropped (syscall_event_drops.actions)".to_owned());
    }
    if !troubles.is_empty() {
        bail!("{}", troubles.join("; "));
    }
    Ok(())
}
