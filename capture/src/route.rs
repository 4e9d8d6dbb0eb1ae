//! Which shard a frame goes to: the owner of its process, unless that is behind and the frame may go anywhere.
//!
//! A frame that carries state goes to the owner always, for nobody else writes its process. Any other *may* go to any shard, since a shard reads
//! a process as of the frame's key wherever it is evaluated. It goes to the owner all the same, whose caches know the process, until the owner
//! lags: its lane is longer than the shortest by [`Router`]'s bounds. Then a process that makes most of its frames is *hot*, and its frames are
//! spread until it has cooled down or nobody is behind any more; and where the owner lags further, the frames of all its processes are spread
//! until its lane is as short as others. Spread frames go in runs to the shard with the shortest lane, so that batches fill.
//!
//! All of it is the capture thread's own: lengths of its lanes, and its own counts over some thousand frames. Memory is fixed once it is made.

use bus::schedule::{self, Place};
use event::FrameHeader;

/// Frames without state between two looks at the lanes.
const REVIEW_EVERY: u32 = 1024;
/// Frames that one shard gets in a row.
const RUN: u32 = 64;
/// A process with this part of the frames of shards that are behind is hot.
const HOT_PART: u32 = 4;
/// A process with less than this part of the frames since the last look is not hot any more.
const COOL_PART: u32 = 16;
/// Looks in a row that find nobody behind, after which no process is hot.
const CALM_REVIEWS: u32 = 16;
/// Hot processes at once.
const MAX_HOT: usize = 8;
/// Processes that are counted at once; more than [`HOT_PART`], so that a hot one is among them.
const MAX_COUNTED: usize = 16;
/// One frame in so many is counted while a shard is behind.
const COUNT_EVERY: u32 = 4;

/// The shard that owns process `tgid`, one of `n_shards` (at least 1). O(1).
///
/// Multiplicative hashing: neighbouring ids, which a build or a fork storm hands out one after the other, go to different shards.
#[must_use]
#[inline]
pub fn owner(tgid: u32, n_shards: usize) -> usize {
    let hash = u64::from(tgid).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    ((hash * n_shards as u64) >> 32) as usize
}

/// Whether frames may go to another shard than the owner of their process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spread {
    /// Those without state, where the owner is behind.
    #[default]
    Auto,
    /// Never.
    Off,
}

/// Where a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// The shard that gets it.
    pub shard: usize,
    /// The shard that owns its process.
    pub owner: usize,
}

impl Way {
    /// Whether another shard than the owner gets it.
    #[must_use]
    #[inline]
    pub fn is_spread(self) -> bool {
        self.shard != self.owner
    }
}

/// What is known of a shard's lane.
#[derive(Clone, Copy, Debug, Default)]
struct LaneState {
    /// Longer than others: somebody may be hot.
    is_behind: bool,
    /// So long that the frames of all its processes are spread.
    is_lagging: bool,
}

#[derive(Clone, Copy, Debug)]
struct Hot {
    tgid: u32,
    /// Its frames since the last look.
    n_frames: u32,
}

/// Deals the frames of one capture thread to shards.
///
/// *Load* is what the caller gives as the length of the lane to a shard, in batches that are full and not yet taken. Of a lane with room for
/// `c` batches, a shard is *behind* that has `c / 4` (at least 1) more than the shard with the least, and *lags* at `c / 2` (at least 1) until
/// less than the former is left. Costs, in instructions for a frame without state (callgrind, 100,000 frames,
/// 2026-11-22): 8 with one shard, where the owner alone takes 5; 37 with 4 shards and 39 with 64 while nobody is behind, the looks at the lanes
/// included; 93 of a process that is being spread.
///
/// ```
/// use capture::Router;
/// use event::{EventType, FrameHeader};
///
/// let mut router = Router::new(4, 8);
/// let header = FrameHeader { event_type: EventType::OPENAT_2_X.0, tgid: 7, ..FrameHeader::default() };
/// let way = router.route(&header, |_shard| 0);
/// assert_eq!((way.shard, way.is_spread()), (capture::owner(7, 4), false));
/// ```
#[derive(Debug)]
pub struct Router {
    spread: Spread,
    lanes: Vec<LaneState>,
    behind_at: usize,
    lagging_at: usize,
    until_review: u32,
    /// Some shard is behind, or some process is hot: else every frame goes to its owner.
    is_uneven: bool,
    counts: Counts,
    hot: Vec<Hot>,
    n_calm: u32,
    /// The shard that the run at hand goes to.
    target: usize,
    n_left_of_run: u32,
}

impl Router {
    /// A router over so many shards (at least 1), whose lanes hold so many batches.
    #[must_use]
    pub fn new(n_shards: usize, lane_capacity: usize) -> Self {
        Self {
            spread: Spread::default(),
            lanes: vec![LaneState::default(); n_shards],
            behind_at: (lane_capacity / 4).max(1),
            lagging_at: (lane_capacity / 2).max(1),
            until_review: REVIEW_EVERY,
            is_uneven: false,
            counts: Counts::default(),
            hot: Vec::with_capacity(MAX_HOT),
            n_calm: 0,
            target: 0,
            n_left_of_run: 0,
        }
    }

    /// Whether frames may be spread; [`Spread::Auto`] unless told.
    pub fn set_spread(&mut self, spread: Spread) {
        self.spread = spread;
    }

    /// Processes whose frames are spread now.
    #[must_use]
    pub fn n_hot(&self) -> usize {
        self.hot.len()
    }

    /// Where a frame goes. `load` gives the load of a shard.
    #[inline]
    pub fn route(&mut self, header: &FrameHeader, load: impl Fn(usize) -> usize) -> Way {
        let n_shards = self.lanes.len();
        if n_shards <= 1 {
            return Way { shard: 0, owner: 0 };
        }
        let owner = owner(header.tgid, n_shards);
        if header.carries_state() || self.spread == Spread::Off {
            return Way { shard: owner, owner };
        }
        self.until_review -= 1;
        if self.until_review == 0 {
            self.review(&load);
        }
        if schedule::strays(Place::Route, owner) {
            return Way { shard: (owner + self.until_review as usize) % n_shards, owner };
        }
        let shard = if self.is_uneven { self.even_out(header.tgid, owner, load) } else { owner };
        Way { shard, owner }
    }

    /// Another way for a frame whose lane has no room; `None` where there is none but to wait. Looks at every lane.
    #[cold]
    pub fn relieve(
        &mut self,
        header: &FrameHeader,
        full: Way,
        load: impl Fn(usize) -> usize,
    ) -> Option<Way> {
        if self.lanes.len() <= 1 || header.carries_state() || self.spread == Spread::Off {
            return None;
        }
        self.look(&load);
        if !self.lanes[full.owner].is_lagging && !full.is_spread() {
            return None;
        }
        self.begin_run(load);
        (self.target != full.shard).then_some(Way { shard: self.target, ..full })
    }

    #[inline(never)]
    fn even_out(&mut self, tgid: u32, owner: usize, load: impl Fn(usize) -> usize) -> usize {
        let LaneState { is_behind, is_lagging } = self.lanes[owner];
        if is_behind && self.until_review.is_multiple_of(COUNT_EVERY) {
            self.counts.count(tgid);
        }
        match self.hot.iter_mut().find(|hot| hot.tgid == tgid) {
            Some(hot) => hot.n_frames += 1,
            None if is_lagging => {}
            None => return owner,
        }
        if self.n_left_of_run == 0 {
            self.begin_run(load);
        }
        self.n_left_of_run -= 1;
        self.target
    }

    /// Chooses the shard with the least load, the next one in turn where there are several.
    fn begin_run(&mut self, load: impl Fn(usize) -> usize) {
        let n_shards = self.lanes.len();
        let in_turn = (1..=n_shards).map(|n| (self.target + n) % n_shards);
        let mut least = usize::MAX;
        let mut target = self.target;
        for shard in in_turn {
            let load = load(shard);
            if load < least {
                (least, target) = (load, shard);
            }
            if load == 0 {
                break;
            }
        }
        self.target = target;
        self.n_left_of_run = RUN;
    }

    /// Sees who is behind; gives whether anybody is.
    fn look(&mut self, load: &impl Fn(usize) -> usize) -> bool {
        let Self { lanes, behind_at, lagging_at, .. } = self;
        let least = (0..lanes.len()).map(load).min().unwrap_or(0);
        let mut is_anybody = false;
        for (shard, lane) in lanes.iter_mut().enumerate() {
            let excess = load(shard).saturating_sub(least);
            lane.is_behind = excess >= *behind_at;
            lane.is_lagging = excess >= *lagging_at || lane.is_lagging && lane.is_behind;
            is_anybody |= lane.is_behind;
        }
        self.is_uneven = is_anybody || !self.hot.is_empty();
        is_anybody
    }

    #[cold]
    fn review(&mut self, load: &impl Fn(usize) -> usize) {
        self.until_review = REVIEW_EVERY;
        self.hot.retain_mut(|hot| std::mem::take(&mut hot.n_frames) * COOL_PART >= REVIEW_EVERY);
        if self.look(load) {
            self.n_calm = 0;
            let Self { counts, hot, lanes, .. } = self;
            for tgid in counts.hot() {
                let is_behind = lanes[owner(tgid, lanes.len())].is_behind;
                let is_new = hot.iter().all(|h| h.tgid != tgid);
                if is_behind && is_new && hot.len() < MAX_HOT {
                    hot.push(Hot { tgid, n_frames: 0 });
                }
            }
        } else {
            self.n_calm += 1;
            if self.n_calm >= CALM_REVIEWS {
                self.hot.clear();
            }
            self.is_uneven = !self.hot.is_empty();
        }
        self.counts.clear();
    }
}

/// How often processes came, as far as they came often (space saving: the least of those counted makes room for one that is not, which takes
/// over its count).
#[derive(Debug, Default)]
struct Counts {
    kept: [(u32, u32); MAX_COUNTED],
    n_used: usize,
    n_all: u32,
}

impl Counts {
    fn count(&mut self, tgid: u32) {
        self.n_all += 1;
        let used = &mut self.kept[..self.n_used];
        if let Some((_, n)) = used.iter_mut().find(|(counted, _)| *counted == tgid) {
            *n += 1;
        } else if let Some(free) = self.kept.get_mut(self.n_used) {
            *free = (tgid, 1);
            self.n_used += 1;
        } else if let Some((least, n)) = self.kept.iter_mut().min_by_key(|(_, n)| *n) {
            *least = tgid;
            *n += 1;
        }
    }

    /// Those that have [`HOT_PART`] of all, once enough were counted.
    fn hot(&self) -> impl Iterator<Item = u32> {
        let n_all = self.n_all;
        let is_enough = n_all >= REVIEW_EVERY / COUNT_EVERY / COOL_PART;
        let used = self.kept[..self.n_used].iter();
        used.filter(move |(_, n)| is_enough && n * HOT_PART >= n_all).map(|&(tgid, _)| tgid)
    }

    fn clear(&mut self) {
        (self.n_used, self.n_all) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use event::{EventType, flags};

    use super::*;

    const N_SHARDS: usize = 4;

    fn frame(ty: EventType, tgid: u32) -> FrameHeader {
        FrameHeader { event_type: ty.0, tid: tgid, tgid, start_ns: 1, ..FrameHeader::default() }
    }

    fn open(tgid: u32) -> FrameHeader {
        frame(EventType::OPENAT_2_X, tgid)
    }

    /// Frames per shard of so many frames of the process.
    fn dealt(router: &mut Router, n: u32, tgid: u32, loads: [usize; N_SHARDS]) -> [u32; N_SHARDS] {
        let mut n_frames = [0; N_SHARDS];
        for _ in 0..n {
            n_frames[router.route(&open(tgid), |shard| loads[shard]).shard] += 1;
        }
        n_frames
    }

    #[test]
    fn neighbouring_ids_spread_over_all_shards() {
        for n_shards in 1..=16 {
            let mut n = vec![0u32; n_shards];
            for tgid in 0..16_000 {
                n[owner(tgid, n_shards)] += 1;
            }
            let fair = 16_000 / n_shards as u32;
            assert!(n.iter().all(|&n| n > fair / 2 && n < fair * 2), "{n:?}");
        }
        assert_eq!(Router::new(1, 8).route(&open(u32::MAX), |_| 9).shard, 0);
    }

    #[test]
    fn frames_stay_with_the_owner_while_it_keeps_up() {
        let mut router = Router::new(N_SHARDS, 8);
        let own = owner(7, N_SHARDS);
        for load in 0..2 {
            let mut loads = [0; N_SHARDS];
            loads[own] = load;
            assert_eq!(dealt(&mut router, 10_000, 7, loads)[own], 10_000);
        }
        assert_eq!(dealt(&mut router, 10_000, 7, [8; N_SHARDS])[own], 10_000, "all are full");
        assert_eq!(router.n_hot(), 0);
    }

    #[test]
    fn a_hot_process_is_spread_until_it_cools_and_its_state_never() {
        let mut router = Router::new(N_SHARDS, 8);
        let (hot, own) = (7, owner(7, N_SHARDS));
        let cold = (8..1000).find(|&tgid| owner(tgid, N_SHARDS) == own).unwrap();
        let mut loads = [0; N_SHARDS];
        loads[own] = 2;
        dealt(&mut router, 2 * REVIEW_EVERY, hot, loads);
        assert_eq!(router.n_hot(), 1);
        let n = dealt(&mut router, 1000, hot, [0; N_SHARDS]);
        assert!(n.iter().all(|&n| (150..400).contains(&n)), "{n:?}");
        assert_eq!(dealt(&mut router, 10, cold, [0; N_SHARDS])[own], 10, "another stays");
        for (ty, flags) in [
            (EventType::CLONE_20_X, 0),
            (EventType::PROCEXIT_1_E, 0),
            (EventType::CHDIR_X, 0),
            (EventType::OPENAT_2_X, flags::SEED),
        ] {
            for _ in 0..300 {
                let header = FrameHeader { flags, ..frame(ty, hot) };
                assert!(!router.route(&header, |_| 0).is_spread());
            }
        }
        // Its share falls below a sixteenth.
        dealt(&mut router, 2 * REVIEW_EVERY, cold, [0; N_SHARDS]);
        assert_eq!(router.n_hot(), 0);
        assert_eq!(dealt(&mut router, 1000, hot, [0; N_SHARDS])[own], 1000);
    }

    #[test]
    fn a_hot_process_goes_back_once_nobody_has_been_behind_for_long() {
        let mut router = Router::new(N_SHARDS, 8);
        let own = owner(7, N_SHARDS);
        let mut loads = [0; N_SHARDS];
        loads[own] = 3;
        dealt(&mut router, 2 * REVIEW_EVERY, 7, loads);
        assert_eq!(router.n_hot(), 1);
        dealt(&mut router, (CALM_REVIEWS - 1) * REVIEW_EVERY, 7, [1; N_SHARDS]);
        assert_eq!(router.n_hot(), 1, "a moment's calm is not enough");
        dealt(&mut router, 2 * REVIEW_EVERY, 7, [1; N_SHARDS]);
        assert_eq!(router.n_hot(), 0);
        assert_eq!(dealt(&mut router, 1000, 7, [1; N_SHARDS])[own], 1000);
    }

    #[test]
    fn the_frames_of_a_lagging_shard_go_elsewhere_until_it_has_caught_up() {
        let mut router = Router::new(N_SHARDS, 8);
        let of_one_shard: Vec<u32> = (0..).filter(|&t| owner(t, N_SHARDS) == 2).take(100).collect();
        let mut deal = |loads: [usize; N_SHARDS]| {
            let mut n_frames = [0u32; N_SHARDS];
            for &tgid in of_one_shard.iter().cycle().take(2 * REVIEW_EVERY as usize) {
                n_frames[router.route(&open(tgid), |shard| loads[shard]).shard] += 1;
            }
            n_frames
        };
        deal([1, 0, 4, 0]);
        let n = deal([1, 0, 4, 0]);
        assert_eq!((n[0], n[2]), (0, 0), "the shortest lanes get them: {n:?}");
        assert!(n[1].abs_diff(n[3]) <= RUN, "{n:?}");
        assert_eq!(deal([1, 0, 2, 0])[2], 0, "still behind");
        deal([1, 0, 1, 0]);
        assert_eq!(deal([1, 0, 1, 0])[2], 2 * REVIEW_EVERY);
        assert_eq!(router.n_hot(), 0, "no process stands out");
    }

    #[test]
    fn a_full_lane_gives_way_to_a_shorter_one() {
        let mut router = Router::new(N_SHARDS, 8);
        let way = router.route(&open(7), |_| 0);
        let full = |shard| if shard == way.owner { 9 } else { 1 };
        let other = router.relieve(&open(7), way, full).unwrap();
        assert!(other.is_spread() && other.owner == way.owner);
        assert_eq!(router.relieve(&frame(EventType::CHDIR_X, 7), way, full), None);
        assert_eq!(Router::new(N_SHARDS, 8).relieve(&open(7), way, |_| 9), None, "all are full");
        router.set_spread(Spread::Off);
        assert_eq!(router.relieve(&open(7), way, full), None);
        assert_eq!(dealt(&mut router, 5000, 7, [9, 9, 9, 9])[way.owner], 5000);
    }
}
