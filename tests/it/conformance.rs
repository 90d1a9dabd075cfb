//! Other people's policies and cases, judged as the reference judges them. What agrees today is committed and may only grow.

mod cross;
mod kyverno_cli;
mod reads;
