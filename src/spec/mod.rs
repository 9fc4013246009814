//! What the user typed ([`Spec`]) and, once checked, what it means ([`Plan`]).

mod plan;

pub use plan::{
    AssimilatePlan, DataPlan, DataSource, ForecasterPlan, Initial, ObservePlan, Plan, ScorePlan, SystemPlan,
};
