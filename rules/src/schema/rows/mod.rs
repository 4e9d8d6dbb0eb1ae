//! The rows of the schema, a file for each family. Every macro hands its rows and those before it to the next one.

#[macro_use]
mod container;
#[macro_use]
mod evt;
#[macro_use]
mod fd;
#[macro_use]
mod fdlist;
#[macro_use]
mod fs_path;
#[macro_use]
mod json;
#[macro_use]
mod k8s_audit;
#[macro_use]
mod k8smeta;
#[macro_use]
mod process;
#[macro_use]
mod user;
#[macro_use]
mod various;
