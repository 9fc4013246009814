//! `scorecast config`: the resolved experiment, and its JSON Schema.

use clap::Subcommand;
use serde_json::json;

use super::session::Session;
use scorecast::failure::{Failure, FailureKind, Result};
use scorecast::spec::schema::schema;
use scorecast::stage::Finished;

/// Show the resolved experiment, or the JSON Schema of experiment files
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// The experiment with every default filled in, as TOML
    Show {
        /// A preset's name or a TOML file
        #[arg(default_value = "lorenz96")]
        experiment: String,
    },
    /// The JSON Schema of experiment files, for editors
    Schema,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<Finished> {
    match &args.what {
        What::Show { experiment } => {
            let text = session.plan(experiment)?.resolved;
            let tree: toml::Value = toml::from_str(&text).map_err(|error| {
                Failure::new(FailureKind::Bug, format!("the resolved experiment is not TOML: {error}"))
            })?;
            Ok(Finished { result: json!({"toml": text, "experiment": tree}), text })
        }
        What::Schema => {
            let schema = schema();
            let text = format!("{schema:#}");
            Ok(Finished { result: schema, text })
        }
    }
}
