//! Quotas of file systems.

use event::{
    EventType,
    recipe::{
        Step,
        Width::{U8, U16},
        quota::{BLOCK, FLAGS, FORMAT, FORMAT_FOUND, ID, INFO, PATH},
    },
};

use super::{Row, flag_maps};

/// Bits of `dqb_valid` and `dqi_valid` (include/uapi/linux/quota.h).
mod valid {
    pub(super) const BLOCK_LIMITS: u8 = 0;
    pub(super) const SPACE: u8 = 1;
    pub(super) const INODE_LIMITS: u8 = 2;
    pub(super) const BLOCK_TIME: u8 = 4;
    pub(super) const INODE_TIME: u8 = 5;
    pub(super) const BLOCK_GRACE: u8 = 0;
    pub(super) const INODE_GRACE: u8 = 1;
    pub(super) const FLAGS: u8 = 2;
}

pub(super) const ROWS: &[Row] = &[Row::plain(
    EventType::QUOTACTL_X,
    179,
    131,
    &[
        Step::RESULT,
        Step::text(1),
        Step::quota(PATH, 0, 0),
        Step::quota(BLOCK, 0, valid::BLOCK_LIMITS),
        Step::quota(BLOCK, 8, valid::BLOCK_LIMITS),
        Step::quota(BLOCK, 16, valid::SPACE),
        Step::quota(BLOCK, 24, valid::INODE_LIMITS),
        Step::quota(BLOCK, 32, valid::INODE_LIMITS),
        Step::quota(BLOCK, 48, valid::BLOCK_TIME),
        Step::quota(BLOCK, 56, valid::INODE_TIME),
        Step::quota(INFO, 0, valid::BLOCK_GRACE),
        Step::quota(INFO, 8, valid::INODE_GRACE),
        Step::quota(FLAGS, 16, valid::FLAGS),
        Step::quota(FORMAT_FOUND, 0, 0),
        Step::flags_above(0, U16, flag_maps::QUOTA_COMMAND),
        Step::flags_lowest(0, U8, flag_maps::QUOTA_TYPE),
        Step::quota(ID, 0, 0),
        Step::quota(FORMAT, 0, 0),
    ],
)];
