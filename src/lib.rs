//! Patrol: an incremental background scan engine for Kubernetes policies, with persistent state.

pub mod app;
pub mod casework;
pub mod catalog;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod document;
pub mod fingerprint;
pub mod folder;
pub mod gostd;
pub mod inventory;
pub mod lang;
pub mod limits;
pub mod matching;
pub mod model;
pub mod output;
pub mod outside;
pub mod plan;
pub mod policy;
pub mod report;
pub mod scan;
pub mod schedule;
pub mod store;
pub mod telemetry;
