//! The network of the stage: a loopback interface and nothing else.

use std::net::{Ipv4Addr, UdpSocket};

use anyhow::{Context, Result};

use crate::sys;

/// An address of RFC 5737 that belongs to nobody. On the stage it belongs to the loopback interface, so that what is sent
/// to it arrives nowhere else.
pub(crate) const STRANGER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);

/// Switches the loopback interface of this network namespace on and gives it its second address.
pub(crate) fn prepare() -> Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    sys::set_up(&socket, "lo").context("the loopback interface cannot be switched on")?;
    sys::set_address(&socket, "lo:1", STRANGER).context("no second loopback address")
}
