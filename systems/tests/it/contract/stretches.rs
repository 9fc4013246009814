//! Few members of a large ring are advanced stretch by stretch: the same bytes as whole rings side by side.
#![allow(clippy::unwrap_used, clippy::panic)]

use crate::common;

use std::sync::Arc;

use common::{stepping, system};
use ndarray::{Array2, s};
use rayon::ThreadPoolBuilder;
use scorecast_systems::brownian::{BrownianPath, Owner};
use scorecast_systems::integrate::{Workspace, integrator};
use scorecast_systems::lanes::{load_block, store_block};
use scorecast_systems::{Domain, Increment, Key, LANES, Purpose, Sde, Value};

const DT: f64 = 0.02;

fn key() -> Key {
    Key::new(9, Domain::Method).purpose(Purpose::ProcessNoise)
}

/// One block of members by the integrator alone, each with its whole ring.
fn whole_rings(sde: &Arc<dyn Sde>, name: &str, steps: usize, substeps: usize, x: &mut Array2<f64>) {
    let scheme = integrator(name, Arc::clone(sde), DT / substeps as f64).unwrap();
    let members = 0..x.nrows();
    let mut path = BrownianPath::new(sde.wiener_dim(), DT, substeps, false);
    let mut increment = Increment::new(sde.wiener_dim(), false);
    let mut work = Workspace::new(&*scheme, sde.dim());
    let mut block = vec![[0.0; LANES]; sde.dim()];
    load_block(x.as_slice().unwrap(), &mut block);
    for step in 0..steps {
        let owner = Owner { key: key().at(step as u64), members: members.clone() };
        for substep in 0..substeps {
            path.read(substep, &owner, &mut increment);
            scheme.step_block(0.0, &mut block, &increment, &mut work);
        }
    }
    store_block(&block, x.as_slice_mut().unwrap());
}

#[test]
fn one_member_alone_gets_the_bytes_of_whole_rings_side_by_side() {
    let pool = |threads| ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let (one, three) = (pool(1), pool(3));
    for dim in [4, 7, 17, 40, 1537, 2048, 40_003] {
        for (noise, name, steps, substeps) in
            [(0.0, "rk4", 3, 1), (0.5, "rk4", 2, 2), (0.5, "euler_maruyama", 2, 1), (0.5, "heun", 1, 3)]
        {
            let system = system("lorenz96", &[("dim", Value::Int(dim)), ("noise", Value::Float(noise))]);
            let sde = Arc::clone(&system).as_sde().unwrap();
            let start = system.initial(2, key());
            let mut expected = start.clone();
            whole_rings(&sde, name, steps, substeps, &mut expected);
            let perfect = Arc::clone(&system).forecaster(&stepping(name, DT, substeps)).unwrap();
            for (members, pool) in [(1, &one), (1, &three), (2, &one), (2, &three)] {
                let mut x = start.slice(s![..members, ..]).to_owned();
                pool.install(|| perfect.advance(0, steps, &mut x, key())).unwrap();
                assert!(x == expected.slice(s![..members, ..]), "{name}, dim {dim}, noise {noise}, {members} members");
            }
        }
    }
}
