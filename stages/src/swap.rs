//! Replacing the rules of running shards, at one key for all of them: every event up to it is held against the old rules, every event after
//! it against the new ones, on any number of shards.
//!
//! **The key.** [`RuleSwap::install`] announces the change, and the largest key that any watermark has reached is the last one of the old rules: see
//! [`bus::Turn`]. A shard that sees the announcement takes no further window until the key is known, which is two stores away. From then on its
//! windows end at the key, and it changes its rules between that window and the next.
//!
//! **The hot path** pays a fence and an Acquire load for each window. Rules, their working memory and their meters are made, and dropped, by
//! the thread that installs them; a shard exchanges one box for another, and never blocks on the lock around them.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use bus::{Key, Order, Turn, Unparker, Watermark};
use perf::Tally;
use rules::{RuleMatching, Ruleset};

use crate::engine::Engine;
use crate::profile::{Profiler, RuleProfile};

/// How often those who sleep are woken while the swap waits for them.
const WAKE_EVERY: Duration = Duration::from_millis(2);

/// Why rules could not be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwapError {
    /// The sources have ended: no event is left to hold against new rules.
    Ended,
    /// A shard has not reached the key of the change before.
    Pending,
}

impl std::fmt::Display for SwapError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ended => "the sources of events have ended",
            Self::Pending => "the rules installed last are not in force on every shard yet",
        })
    }
}

impl std::error::Error for SwapError {}

/// The rules of all shards of a pipeline, and how they are replaced.
pub struct RuleSwap {
    /// Only who holds the lock gives orders.
    turn: Turn,
    /// What wakes capture threads and shards.
    wakers: Vec<Unparker>,
    state: Mutex<State>,
    /// Whoever waits for shards.
    changed: Condvar,
}

struct State {
    /// The last event that is held against the old rules.
    at: Key,
    shards: Vec<Mail>,
    /// The rules that were given to the shards last.
    ruleset: Option<Arc<Ruleset>>,
}

/// What lies between the swap and one shard.
#[derive(Default)]
struct Mail {
    /// Rules that the shard has not taken up.
    new: Option<Box<Engine>>,
    /// Rules that it has laid down.
    old: Option<Box<Engine>>,
    /// How often each rule matched, of the rules that were given to it last.
    matches: Option<Arc<Tally>>,
    profile: Profile,
    has_ended: bool,
}

/// Where a shard stands with a profile.
#[derive(Default)]
enum Profile {
    /// Nobody asks for one.
    #[default]
    Off,
    /// To be taken up.
    Asked(Box<Profiler>),
    /// The shard measures.
    On,
    /// To be given back.
    Recalled,
    /// Given back.
    Done(Box<Profiler>),
}

impl std::fmt::Debug for RuleSwap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuleSwap").field("turn", &self.turn).finish_non_exhaustive()
    }
}

impl RuleSwap {
    /// For so many shards that read sources with these watermarks. `wakers` wake who may sleep: capture threads and shards.
    #[must_use]
    pub fn new(n_shards: usize, watermarks: Vec<Arc<Watermark>>, wakers: Vec<Unparker>) -> Self {
        let shards = (0..n_shards).map(|_| Mail::default()).collect();
        Self {
            turn: Turn::new(watermarks),
            wakers,
            state: Mutex::new(State { at: Key::MIN, shards, ruleset: None }),
            changed: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // What it guards is whole between any two statements that can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives every shard new rules, and says which key is the last one of the old rules: `not_before`, or the largest that is taken already.
    /// They are in force everywhere once [`RuleSwap::settle`] says so.
    ///
    /// # Errors
    /// [`SwapError`]; then nothing has changed.
    pub fn install(
        &self,
        ruleset: &Arc<Ruleset>,
        matching: RuleMatching,
        not_before: Key,
    ) -> Result<Key, SwapError> {
        let n_shards = self.lock().shards.len();
        let mut engines: Vec<Box<Engine>> =
            (0..n_shards).map(|_| Box::new(Engine::new(Arc::clone(ruleset), matching))).collect();
        let mut state = self.lock();
        if state.shards.iter().any(|mail| mail.new.is_some() && !mail.has_ended) {
            return Err(SwapError::Pending);
        }
        let at = self.turn.announce().max(not_before);
        let has_ended = at == Key::MAX;
        if !has_ended {
            state.at = at;
            state.ruleset = Some(Arc::clone(ruleset));
            for mail in &mut state.shards {
                mail.old = None;
                mail.new = engines.pop();
                mail.matches = mail.new.as_ref().map(|engine| Arc::clone(&engine.n_matches));
            }
        }
        self.turn.decide();
        drop(state);
        self.wake();
        if has_ended { Err(SwapError::Ended) } else { Ok(at) }
    }

    /// Waits until no shard uses the old rules and drops them; `false` where that takes longer than the timeout.
    pub fn settle(&self, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        let mut laid_down = Vec::new();
        loop {
            laid_down.extend(state.shards.iter_mut().filter_map(|mail| mail.old.take()));
            if state.shards.iter().all(|mail| mail.new.is_none() || mail.has_ended) {
                break;
            }
            if Instant::now() >= deadline {
                return false;
            }
            drop(state);
            self.wake();
            let waited = self.changed.wait_timeout(self.lock(), WAKE_EVERY);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(state);
        true
    }

    /// How often each of the rules installed last has matched, on all shards; by the rules' order.
    #[must_use]
    pub fn matches(&self) -> Vec<u64> {
        let state = self.lock();
        let mut sums = Vec::new();
        for (rule, n) in
            state.shards.iter().flat_map(|mail| mail.matches.iter().flat_map(|m| m.cells()))
        {
            if sums.len() <= rule {
                sums.resize(rule + 1, 0);
            }
            sums[rule] += n;
        }
        sums
    }

    /// Makes every shard time one evaluation in `every`, until [`RuleSwap::end_profile`]. Gives the rules that are measured.
    ///
    /// # Errors
    /// [`SwapError::Pending`] while rules are being replaced, and where a profile is under way.
    pub fn begin_profile(&self, every: u32) -> Result<Arc<Ruleset>, SwapError> {
        let mut state = self.lock();
        let State { shards, ruleset, .. } = &mut *state;
        let ruleset = ruleset.as_ref().ok_or(SwapError::Ended)?;
        let is_free = |mail: &Mail| {
            mail.has_ended
                || mail.new.is_none() && matches!(mail.profile, Profile::Off | Profile::Done(_))
        };
        if !shards.iter().all(is_free) {
            return Err(SwapError::Pending);
        }
        for mail in shards {
            if let Some(matches) = &mail.matches {
                let profiler = Profiler::new(ruleset, every, Arc::clone(matches));
                mail.profile = Profile::Asked(Box::new(profiler));
            }
        }
        let ruleset = Arc::clone(ruleset);
        self.turn.call();
        drop(state);
        self.wake();
        Ok(ruleset)
    }

    /// Ends the profile and adds up what the shards have measured, waiting for them at most as long as the timeout. Of rules that were replaced
    /// meanwhile it is what they cost until then.
    pub fn end_profile(&self, timeout: Duration) -> RuleProfile {
        let deadline = Instant::now() + timeout;
        let mut state = self.lock();
        for mail in &mut state.shards {
            if matches!(mail.profile, Profile::On) {
                mail.profile = Profile::Recalled;
            }
        }
        self.turn.call();
        let is_out = |mail: &Mail| matches!(mail.profile, Profile::Recalled) && !mail.has_ended;
        while state.shards.iter().any(is_out) && Instant::now() < deadline {
            drop(state);
            self.wake();
            let waited = self.changed.wait_timeout(self.lock(), WAKE_EVERY);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let mut profile = RuleProfile::default();
        for mail in &mut state.shards {
            match std::mem::take(&mut mail.profile) {
                // The shard had no window meanwhile.
                Profile::Asked(profiler) | Profile::Done(profiler) => profile.add(&profiler),
                Profile::On | Profile::Recalled => {
                    profile.n_missing += 1;
                    mail.profile = Profile::Recalled;
                }
                Profile::Off => {}
            }
        }
        profile
    }

    fn wake(&self) {
        for waker in &self.wakers {
            waker.wake();
        }
    }

    /// A shard takes part, with the rules that it starts with.
    pub(crate) fn join(&self, shard: usize, engine: &Engine) {
        let mut state = self.lock();
        state.ruleset = Some(Arc::clone(&engine.ruleset));
        if let Some(mail) = state.shards.get_mut(shard) {
            mail.matches = Some(Arc::clone(&engine.n_matches));
        }
    }

    /// A shard has ended; nobody waits for it.
    pub(crate) fn leave(&self, shard: usize) {
        if let Some(mail) = self.lock().shards.get_mut(shard) {
            mail.has_ended = true;
        }
        self.changed.notify_all();
    }

    /// A shard releases frames beyond its watermarks. To be called before [`Follower::limit`].
    pub(crate) fn goes_beyond(&self, bound: Key) {
        self.turn.goes_beyond(bound);
    }
}

impl Mail {
    fn exchange_profiler(&mut self, engine: &mut Engine) {
        self.profile = match std::mem::take(&mut self.profile) {
            Profile::Asked(profiler) => {
                engine.profiler = Some(profiler);
                Profile::On
            }
            Profile::Recalled => match engine.profiler.take() {
                Some(profiler) => Profile::Done(profiler),
                None => Profile::Off,
            },
            other @ (Profile::Off | Profile::On | Profile::Done(_)) => other,
        };
    }
}

/// How far a shard may go with its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// Up to this key.
    UpTo(Key),
    /// That is being decided.
    Undecided,
    /// Its rules end here: what still waits has to be decided with them.
    AfterDeciding,
}

/// A shard's end of the swap.
pub(crate) struct Follower {
    swap: Arc<RuleSwap>,
    shard: usize,
    /// The last order that it has carried out.
    done: u64,
}

impl Follower {
    pub(crate) fn new(swap: Arc<RuleSwap>, shard: usize, engine: &Engine) -> Self {
        swap.join(shard, engine);
        Self { swap, shard, done: 0 }
    }

    pub(crate) fn swap(&self) -> &RuleSwap {
        &self.swap
    }

    /// Up to which key the next window may go, of a bound that was read before. Between two windows, with everything up to `released` evaluated
    /// but for what `is_awaiting`; changes the rules where they end there.
    #[inline]
    pub(crate) fn limit(
        &mut self,
        bound: Key,
        released: Key,
        is_awaiting: bool,
        engine: &mut Box<Engine>,
    ) -> Limit {
        match self.swap.turn.order() {
            Order::Number(order) if order == self.done => Limit::UpTo(bound),
            Order::Number(order) => self.follow(order, bound, released, is_awaiting, engine),
            Order::Undecided => Limit::Undecided,
        }
    }

    #[cold]
    fn follow(
        &mut self,
        order: u64,
        bound: Key,
        released: Key,
        is_awaiting: bool,
        engine: &mut Box<Engine>,
    ) -> Limit {
        let mut state = match self.swap.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(state)) => state.into_inner(),
            Err(TryLockError::WouldBlock) => return Limit::Undecided,
        };
        let at = state.at;
        if let Some(mail) = state.shards.get_mut(self.shard) {
            mail.exchange_profiler(engine);
            if mail.new.is_some() {
                if released < at {
                    return Limit::UpTo(bound.min(at));
                }
                if is_awaiting {
                    return Limit::AfterDeciding;
                }
                if let Some(new) = mail.new.take() {
                    let mut old = std::mem::replace(engine, new);
                    if let Some(profiler) = old.profiler.take() {
                        mail.profile = Profile::Done(profiler);
                    }
                    mail.old = Some(old);
                }
            }
        }
        self.done = order;
        drop(state);
        self.swap.changed.notify_all();
        Limit::UpTo(bound)
    }
}

impl Follower {
    /// Gives back a profiler that is on when the shard ends.
    pub(crate) fn hand_in(&self, engine: &mut Engine) {
        if let Some(profiler) = engine.profiler.take()
            && let Some(mail) = self.swap.lock().shards.get_mut(self.shard)
        {
            mail.profile = Profile::Done(profiler);
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.swap.leave(self.shard);
    }
}
