//! Bad experiments, a row each. Line numbers count from the top of the file; see [`after_ou`].

/// A bad experiment: its text, the overrides, and what stderr must say.
pub struct Bad {
    pub text: &'static str,
    pub set: &'static [&'static str],
    pub says: &'static [&'static str],
}

const fn bad(text: &'static str, says: &'static [&'static str]) -> Bad {
    Bad { text, set: &[], says }
}

/// Every mistake in an experiment is told with its line and its remedy; the exit code is 2.
pub const BAD_EXPERIMENTS: &[Bad] = &[
    bad("", &["neither a [system] to simulate nor a `file` in [data]"]),
    bad("seed = = 1\n", &["x.toml:1", "not TOML"]),
    bad("seed = 1\nseed = 2\n", &["x.toml:2", "duplicate key"]),
    bad("sed = 1\n", &["x.toml:1: unknown key `sed`; did you mean `seed`?"]),
    bad("seed = 1.5\n", &["`seed` is 1.5, but must be an integer of at least 0"]),
    bad("preset = \"lorez96\"\n", &["x.toml:1: there is no preset \"lorez96\"; did you mean `lorenz96`?"]),
    bad("[sytem]\nname = \"ou\"\n", &["x.toml:1: unknown section `sytem`; did you mean `system`?"]),
    bad("system = 3\n", &["`system` must be a section [system], but is 3"]),
    bad("[system]\n", &["[system]: `name` must be set"]),
    bad("[system]\nname = \"lorez96\"\n", &["x.toml:2: unknown system `lorez96`; did you mean `lorenz96`?"]),
    bad("[system]\nname = \"weather\"\n", &["x.toml:2: unknown system `weather`; there are ou,"]),
    bad(
        "[system]\nname = \"lorenz96\"\nforcin = 8\n",
        &["x.toml:3: [system] has no key `forcin`; did you mean `forcing`?"],
    ),
    bad(
        "[system]\nname = \"lorenz96\"\ndim = \"forty\"\n",
        &["x.toml:3: system `lorenz96`: `dim` is \"forty\", but must be"],
    ),
    bad(
        "[system]\nname = \"lorenz96\"\ndim = 3\n",
        &["x.toml:3: system `lorenz96`: `dim` is 3, but must be an integer from 4"],
    ),
    bad("[system]\nname = \"lorenz96\"\ndim = 99999999999999999999\n", &["x.toml:3", "beyond 64 bits"]),
    bad(
        "[system]\nname = \"lorenz96\"\nforcing = nan\n",
        &["x.toml:3", "`forcing` is NaN, but must be a finite number"],
    ),
    bad("[system]\nname = \"lorenz96\"\nforcing = 2020-01-01\n", &["x.toml:3", "the date 2020-01-01"]),
    bad("[system]\nname = \"ou\"\n[data]\ndt = 0\n", &["x.toml:4: [data]: `dt` is 0, but must be a number above 0"]),
    bad(
        "[system]\nname = \"ou\"\n[data]\ndt = 1\nintegrator = \"rk5\"\n",
        &["x.toml:5: unknown integrator `rk5`; did you mean `rk4`?"],
    ),
    bad("[system]\nname = \"ou\"\n[data]\ndt = 1\nsplit = [0.5, 0.4, 0.3]\n", &["x.toml:5", "sum to 1.2", "sum to 1"]),
    bad(
        "[system]\nname = \"ou\"\n[data]\ndt = 1\nfile = \"a.nc\"\nsteps = 5\n",
        &["x.toml:6", "nothing is simulated and `steps` has no use"],
    ),
    bad("[system]\nname = \"ou\"\n[data]\ndt = 1\nvariable = \"x\"\n", &["x.toml:5", "`variable` without `file`"]),
    in_ou(
        "[data]\ntrajectories = 2\n[[forecaster]]\nkind = \"gaussian\"\n",
        &["2 trajectories split to 0 for training, 1 for validation and 1 for testing"],
    ),
    inside("name = \"lorez63\"\n", &["x.toml:4: unknown system `lorez63`; did you mean `lorenz63`?"]),
    inside("name = \"weather\"\n", &["x.toml:4: unknown system `weather`; there are ou,"]),
    inside("rho = 30\n", &["x.toml:3: [system.of]: `name` must be set", "scorecast list systems"]),
    inside("name = \"lorenz63\"\nrh = 30.0\n", &["x.toml:5: [system.of] has no key `rh`; did you mean `rho`?"]),
    inside(
        "name = \"lorenz63\"\nweather = 30.0\n",
        &["x.toml:5: [system.of] has no key `weather`; it has name, sigma, rho, beta, noise"],
    ),
    inside(
        "name = \"lorenz63\"\nsigma = -1\nrho = \"thirty\"\nbeta = 2020-01-01\n",
        &[
            "x.toml:5: system `lorenz63`: `sigma` is -1, but must be a number above 0",
            "x.toml:6: system `lorenz63`: `rho` is \"thirty\", but must be a finite number",
            "x.toml:7: system `lorenz63`: `beta` is the date 2020-01-01",
        ],
    ),
    inside(
        "name = \"ou\"\ndrift = [[1, 0, 0], [0, 1, 0]]\n",
        &["x.toml:5: system `ou`: `of.drift` has 2 rows of 3 numbers, but must be square"],
    ),
    inside(
        "name = \"perturb_parameters\"\n[system.of.of]\nname = \"lorenz96\"\nforcin = 8\n",
        &["x.toml:7: [system.of.of] has no key `forcin`; did you mean `forcing`?"],
    ),
    inside(
        "name = \"embed\"\n[system.of.of]\nname = \"embed\"\nof = { name = \"ou\", rate = -1 }\n",
        &["x.toml:7: system `ou`: `of.of.of.rate` gives an eigenvalue"],
    ),
    inside(
        "name = \"perturb_parameters\"\nparameters = [\"rh\"]\n",
        &["x.toml:5: system `perturb_parameters`: `of.parameters` names `rh`", "did you mean `rho`?"],
    ),
    inside("name = \"observe_partially\"\n", &["x.toml:3: system `embed`: `of` is `observe_partially`, which hides"]),
    bad(
        "[system]\nname = \"embed\"\nof = \"lorez63\"\n",
        &["x.toml:3: unknown system `lorez63`; did you mean `lorenz63`?"],
    ),
    bad(
        "[system]\nname = \"embed\"\nof = 3\n",
        &["x.toml:3: system `embed`: `of` is 3, but must be a system: its name, or a table"],
    ),
    bad(
        "[system]\nname = \"embed\"\nof = \"lorenz96\"\ndim = 8\n",
        &["x.toml:4: system `embed`: `dim` is 8, but the system inside has 40 components; set at least 40"],
    ),
    bad(
        "[system]\nname = \"observe_partially\"\ncomponents = [0, 2.5]\n",
        &["x.toml:3: system `observe_partially`: `components` is a list of 2 numbers, but must be a list of integers"],
    ),
    Bad {
        text: "[system]\nname = \"embed\"\nof = \"lorenz63\"\n",
        set: &["system.of.rh=30"],
        says: &["--set system.of.rh=30: [system.of] has no key `rh`; did you mean `rho`?"],
    },
    bad(
        "[system]\nname = \"observe_partially\"\n[observe]\n[[assimilate]]\nmethod = \"enkf\"\n",
        &["x.toml:4: `perfect` is the true system, but a part of its state is hidden", "name another forecaster"],
    ),
    bad(
        "[system]\nname = \"observe_partially\"\n[[forecaster]]\nkind = \"perfect\"\n",
        &["x.toml:4: `perfect` is the true system, but a part of its state is hidden"],
    ),
    bad(
        "[system]\nname = \"observe_partially\"\n[data]\nintegrator = \"rk5\"\n",
        &["x.toml:4: unknown integrator `rk5`; did you mean `rk4`?"],
    ),
    in_ou("[[forecaster]]\nwidth = 3\n", &["[[forecaster]] must set `kind`"]),
    in_ou(
        "[[forecaster]]\nname = \"a\"\nkind = \"gausian\"\n",
        &["x.toml:7: unknown kind of forecaster `gausian`; did you mean `gaussian`?"],
    ),
    in_ou(
        "[[forecaster]]\nname = \"a\"\nkind = \"gaussian\"\nwidht = 3\n",
        &["x.toml:8: [[forecaster]] has no key `widht`; did you mean `width`?"],
    ),
    in_ou(
        "[[forecaster]]\nkind = \"gaussian\"\n[[forecaster]]\nkind = \"gaussian\"\n",
        &["x.toml:7: two forecasters are labelled `gaussian`"],
    ),
    in_ou(
        "[[forecaster]]\nname = \"perfect\"\nkind = \"gaussian\"\n",
        &["the label `perfect` is the name of a baseline, but its kind is `gaussian`"],
    ),
    in_ou("[observe]\noperator = \"strid\"\n", &["x.toml:6: unknown operator `strid`; did you mean `stride`?"]),
    in_ou("[observe]\noperator = \"stride\"\n", &["x.toml:6: operator `stride`: `stride` must be set"]),
    in_ou(
        "[observe]\noperator = { name = \"stride\", strid = 2 }\n",
        &["x.toml:6: [observe.operator] has no key `strid`; did you mean `stride`?"],
    ),
    in_ou("[observe]\noperator = { name = \"stride\", stride = 60 }\n", &["x.toml:6", "60", "3"]),
    in_ou("[observe]\noperator = { name = \"linear\", matrix = [[1, 0]] }\n", &["x.toml:6", "2", "3"]),
    in_ou(
        "[observe]\noperator = { name = \"linear\", matrix = [[1, 0], [1]] }\n",
        &["x.toml:6", "rows of equal length"],
    ),
    in_ou(
        "[observe]\nnoise = [1, 2]\n",
        &["x.toml:6: observe.noise has 2 standard deviations but the operator gives 3 values"],
    ),
    in_ou("[observe]\nnoise = 0\n", &["x.toml:6", "set observe.noise to numbers above 0"]),
    in_ou(
        "[[expected]]\nrow = \"k\"\nrmse = 1\n[observe]\n[[assimilate]]\nmethod = \"kalman\"\nlabel = \"k\"\n",
        &["x.toml:7", "needs its standard error `se`"],
    ),
    in_ou(
        "[observe]\n[[assimilate]]\nmethod = \"four_d_var\"\nlag = 2\nshift = 3\n",
        &[
            "x.toml:9: method `four_d_var`: `shift` is 3, but must be at most `lag`, which is 2; lower it or raise `lag`",
        ],
    ),
    in_ou(
        "[observe]\n[[assimilate]]\nmethod = \"ienks\"\nshift = 0\n",
        &["`shift` is 0, but must be an integer from 1"],
    ),
    in_ou(
        "[observe]\n[[assimilate]]\nmethod = \"etkf\"\nforecaster = \"analog\"\nnoise_treatment = \"square_root\"\n",
        &["`etkf` needs a Gaussian one-step law or no noise, which `analog` does not offer"],
    ),
    in_ou(
        "[observe]\n[[assimilate]]\nmethod = \"ffbsi\"\nforecaster = \"persistence\"\n",
        &["`ffbsi` needs the density of a lead step, which `persistence` does not offer"],
    ),
    in_ou("[observe]\nmissing = 1.5\n", &["x.toml:6", "`missing` is 1.5, but must be"]),
    in_ou("[observe]\nfile = \"y.nc\"\nmissing = 0.1\n", &["x.toml:7", "`missing` is of a twin experiment"]),
    in_ou(
        "[[expected]]\nrow = \"etkf / perfct\"\n[observe]\n[[assimilate]]\nmethod = \"etkf\"\n",
        &["x.toml:6", "no row is called `etkf / perfct`; did you mean `etkf / perfect`?"],
    ),
    in_ou("[observe]\nnoise = \"cauchy\"\n", &["x.toml:6", "noise law `cauchy`", "there are gaussian, correlated"]),
    in_ou("[observe]\nnoise = \"laplac\"\n", &["x.toml:6", "did you mean `laplace`?"]),
    in_ou(
        "[observe]\nnoise = { name = \"student_t\", sd = 1 }\n",
        &["x.toml:6", "no key `sd`; it has name, scale, dof"],
    ),
    in_ou("[observe]\nnoise = { name = \"student_t\", dof = 0 }\n", &["x.toml:6", "`dof` is 0, but must be"]),
    in_ou("[observe]\nnoise = { name = \"laplace\", scale = [1, 2] }\n", &["x.toml:6", "2 ", "3 values"]),
    in_ou(
        "[observe]\nnoise = { name = \"laplace\", scale = 0.3 }\n[[assimilate]]\nmethod = \"etkf\"\n",
        &["x.toml:7", "`etkf` supposes Gaussian observation errors", "use `bootstrap`"],
    ),
    in_ou("[observe]\nwithhold = 1.5\n", &["x.toml:6", "`withhold` is 1.5, but must be"]),
    in_ou("[observe]\nevaluate_only = [1, 3]\n", &["x.toml:6", "`evaluate_only` has 3", "3 values; use 0 to 2"]),
    in_ou(
        "[observe]\nevaluate_only = [1]\nnot_used = [0, 1]\n",
        &["x.toml:7", "value 1 is both in `evaluate_only` and in `not_used`; keep it in one"],
    ),
    in_ou("[[assimilate]]\nmethod = \"etkf\"\nlag = -1\n[observe]\n", &["x.toml", "`lag` is -1, but must be"]),
    in_ou(
        "[observe]\nburn_in = 1000\n",
        &["x.toml:6: [observe]: `burn_in` is 1000 and `steps` 1000, which leaves nothing to score"],
    ),
    in_ou("[observe]\nevery = 3\n", &["`steps` is 1000, which is no multiple of `every` = 3; set `steps` to 999"]),
    in_ou(
        "[observe]\ninitial = \"climate\"\n",
        &["x.toml:6: [observe]: `initial` is \"climate\", but must be \"climatology\""],
    ),
    in_ou(
        "[observe]\ninitial = { mean = [1, 2], sd = 1 }\n",
        &["`mean` has 2 values; give 1 for all components, or 3"],
    ),
    in_ou("[observe]\nfile = \"y.nc\"\ninitial = { truth_sd = 1 }\n", &["x.toml:7", "a `file` has none"]),
    in_ou("[[observe]]\n[[observe]]\n", &["two observing networks are called `observe`"]),
    in_ou("[[assimilate]]\nmethod = \"enkf\"\n", &["[[assimilate]] needs observations; add an [observe] section"]),
    in_ou(
        "[observe]\n[[assimilate]]\nmethod = \"enkff\"\n",
        &["x.toml:7: unknown method `enkff`; did you mean `enkf`?"],
    ),
    in_ou(
        "[observe]\n[[assimilate]]\nmethod = \"enkf\"\nmember = 3\n",
        &["x.toml:8: [[assimilate]] has no key `member`; did you mean `members`?"],
    ),
    in_ou(
        "[observe]\n[[assimilate]]\nmethod = \"enkf\"\nmembers = 1\n",
        &["x.toml:8: method `enkf`: `members` is 1, but must be an integer of at least 2"],
    ),
    in_ou(
        "[observe]\n[[assimilate]]\nmethod = \"enkf\"\nforecaster = \"perfct\"\n",
        &["x.toml:8: no forecaster is labelled `perfct`; did you mean `perfect`?"],
    ),
    in_ou(
        "[observe]\n[[assimilate]]\nmethod = \"enkf\"\nforecaster = 3\n",
        &["x.toml:8", "must be a word or a list of words"],
    ),
    in_ou(
        "[observe]\nname = \"full\"\n[[assimilate]]\nmethod = \"enkf\"\nobserve = \"ful\"\n",
        &["no observing network is called `ful`; did you mean `full`?"],
    ),
    in_ou(
        "[observe]\n[[assimilate]]\nmethod = \"enkf\"\n[[assimilate]]\nmethod = \"enkf\"\n",
        &["x.toml:8: two rows are called `enkf / perfect` (the other is at x.toml:6); give one of them a `label`"],
    ),
    in_ou(
        "[observe]\nevery = 2\n[[assimilate]]\nmethod = \"enkf\"\nrun_steps = 31\n",
        &["`run_steps` is 31, but network `observe` has 1000 steps"],
    ),
    in_ou(
        "[observe]\n[[assimilate]]\nmethod = \"enkf\"\nreplicates = 2\n",
        &["`replicates` is 2, but network `observe` has 1"],
    ),
    in_ou(
        "[observe]\noperator = \"arctan\"\n[[assimilate]]\nmethod = \"kalman\"\n",
        &["`kalman` needs a linear operator, but `arctan` is not"],
    ),
    bad(
        "[system]\nname = \"lorenz63\"\n[data]\ndt = 0.05\n[observe]\n[[assimilate]]\nmethod = \"kalman\"\n",
        &["x.toml:6: `kalman` needs a linear-Gaussian forecaster, which `perfect` does not offer"],
    ),
    bad(
        "[system]\nname = \"lorenz63\"\n[data]\ndt = 0.05\n[observe]\n[[assimilate]]\nmethod = \"guided\"\n",
        &["x.toml:6: `guided` needs a forecaster with a denoiser, which `perfect` does not offer"],
    ),
    bad("[data]\nfile = \"a.nc\"\n[observe]\n", &["x.toml:3: [observe] is a twin experiment, which needs a [system]"]),
    bad(
        "[data]\nfile = \"a.nc\"\n[observe]\nfile = \"y.nc\"\n[[assimilate]]\nmethod = \"enkf\"\n",
        &["x.toml:5: `perfect` is the true system, but there is no [system]"],
    ),
    estimate("3\n", &["x.toml:5: [[assimilate]]: `estimate` is 3, but must be a table { parameter = "]),
    estimate("{ mean = 28, sd = 1 }\n", &["x.toml:5: [[assimilate.estimate]]: `parameter` must be set"]),
    estimate("{ parameter = \"rho\", mean = 28 }\n", &["x.toml:5: [[assimilate.estimate]]: `sd` must be set"]),
    estimate(
        "[{ parameter = \"rho\", mean = 28, sd = 0 }]\n",
        &["x.toml:5: [[assimilate.estimate]]: `sd` is 0, but must be a number above 0"],
    ),
    estimate(
        "[{ parameter = \"rho\", mean = 28, sd = 1, wlk = 1 }]\n",
        &["x.toml:5: [[assimilate.estimate]] has no key `wlk`; did you mean `walk`?"],
    ),
    estimate(
        "[{ parameter = \"rhoo\", mean = 28, sd = 1 }]\n",
        &["x.toml:5: system `lorenz63` has no setting `rhoo`; did you mean `rho`?"],
    ),
    estimate(
        "[{ parameter = \"sigma\", mean = -1, sd = 1 }]\n",
        &["x.toml:5: `mean` is -1, but `sigma` must be a number > 0"],
    ),
    estimate(
        "[{ parameter = \"rho\", mean = -28, sd = 1, scale = \"log\" }]\n",
        &["x.toml:5: `mean` is -28, but on the scale log must be above 0"],
    ),
    estimate(
        "[{ parameter = \"sigma\", mean = 10, sd = 5, scale = \"linear\" }]\n",
        &["`sigma` must be a number > 0, but 4 `sd` about `mean` reach from -10.000", "or scale = \"log\""],
    ),
    estimate(
        "[{ parameter = \"rho\", mean = 28, sd = 1 }, { parameter = \"rho\", mean = 27, sd = 1 }]\n",
        &["x.toml:5: `rho` is estimated twice in one row; name it once"],
    ),
    estimate(
        "{ parameter = \"rho\", mean = 28, sd = 1 }\nforecaster = \"persistence\"\n",
        &["x.toml:3: `estimate` steps each member by the true system", "the forecaster is `persistence`"],
    ),
    estimate(
        "{ parameter = \"rho\", mean = 28, sd = 1 }\nnoise_treatment = \"square_root\"\n",
        &[
            "x.toml:3: `etkf` needs a Gaussian one-step law or no noise here, which a system with unknown parameters does not offer",
        ],
    ),
    bad(
        "[system]\nname = \"ou\"\n[observe]\n[[assimilate]]\nmethod = \"kalman\"\nestimate = { parameter = \"rate\", mean \
         = 1, sd = 0.1 }\n",
        &["x.toml:4: `kalman` needs a linear-Gaussian forecaster here", "take a method of members alone such as etkf"],
    ),
    bad(
        "[system]\nname = \"lorenz96\"\n[observe]\n[[assimilate]]\nmethod = \"etkf\"\nestimate = { parameter = \"dim\", mean = \
         40, sd = 1 }\n",
        &["x.toml:6: `dim` of system `lorenz96` is no single real number; take one of `forcing`, `noise`"],
    ),
    bad(
        "[system]\nname = \"embed\"\nof = \"lorenz63\"\n[observe]\n[[assimilate]]\nmethod = \"etkf\"\nestimate = { parameter = \
         \"of.rh\", mean = 28, sd = 1 }\n",
        &["x.toml:7: system `lorenz63` has no setting `rh`; did you mean `rho`?"],
    ),
    bad(
        "[system]\nname = \"lorenz96\"\n[observe]\n[[assimilate]]\nmethod = \"hybrid\"\nradius = 3\nestimate = { parameter = \
         \"forcing\", mean = 8, sd = 1 }\n",
        &["x.toml:4: method `hybrid` with a `radius`", "unknown parameters", "or use `letkf`, `eakf` or `ensrf`"],
    ),
    in_ou(
        "[score]\nmetrics = [\"rmse\", \"crsp_fair\"]\n",
        &["x.toml:6: unknown metric `crsp_fair`; did you mean `crps_fair`?"],
    ),
    in_ou("[score]\nmembers = 1\n", &["[score]: `members` is 1, but must be an integer from 2"]),
    in_ou(
        "[score]\nforecasters = [\"perfect\"]\nlead_steps = 2000\n",
        &["`lead_steps` is 2000, but a test trajectory has 1024 steps"],
    ),
    in_ou(
        "[data]\nsteps = 20\n[[forecaster]]\nkind = \"linear\"\n",
        &[
            "x.toml:5: forecasts are scored up to lead step 40 unless [score] says otherwise, but a test trajectory has 20 steps",
            "raise `steps` of [data], or set `lead_steps` in [score] to at most 19",
        ],
    ),
    in_ou(
        "[data]\nsteps = 44\n[[forecaster]]\nkind = \"linear\"\n",
        &["x.toml:5: forecasts start 8 times in each test trajectory unless [score] says otherwise", "at most 4"],
    ),
    in_ou(
        "[observe]\n[[forecaster]]\nkind = \"crps\"\n[[assimilate]]\nmethod = \"four_d_var\"\nforecaster = \"crps\"\n",
        &[
            "x.toml:8: `four_d_var` needs the adjoint of a lead step without noise",
            "or a method of members such as `ienks`",
        ],
    ),
    in_ou(
        "[observe]\n[[forecaster]]\nkind = \"normalizing_flow\"\n[[assimilate]]\nmethod = \"extended\"\n\
         forecaster = \"normalizing_flow\"\n",
        &["x.toml:8: `extended` needs the derivative of a lead step", "`mse`, `gaussian`, `crps`"],
    ),
    in_ou(
        "[[forecaster]]\nkind = \"diffusion\"\nmean_steps = 5\n",
        &["x.toml:7: forecaster `diffusion` (diffusion): `mean_steps` has no use unless `target` is \"residual\""],
    ),
    in_ou(
        "[[forecaster]]\nkind = \"diffusion\"\ntarget = \"residual\"\nsteps = 100\nmean_steps = 100\n",
        &["x.toml:9: forecaster `diffusion` (diffusion): `mean_steps` is 100 of the 100 of `steps`"],
    ),
    in_ou(
        "[[forecaster]]\nkind = \"consistency\"\nsigma_max = 0.001\n",
        &["x.toml:5", "`sigma_min` is 0.004, but must be below `sigma_max`, which is 0.001"],
    ),
    in_ou(
        "[[forecaster]]\nkind = \"diffusion\"\np_mean = 1e30\nsigma_max = 1e30\nrho = 1e30\np_std = 1e30\n",
        &[
            "x.toml:7: forecaster `diffusion` (diffusion): `p_mean` is 1000000000000000000000000000000, but must be a number from -10 to 10",
            "x.toml:8: forecaster `diffusion` (diffusion): `sigma_max` is",
            "x.toml:9: forecaster `diffusion` (diffusion): `rho` is",
            "x.toml:10: forecaster `diffusion` (diffusion): `p_std` is",
        ],
    ),
    in_ou(
        "[[forecaster]]\nkind = \"flow_matching\"\nspacing = 1e30\n",
        &["x.toml:7", "`spacing` is", "from 0.000001 to 1000000"],
    ),
    in_ou("[[forecaster]]\nkind = \"interpolant\"\nnoise = 1e30\n", &["x.toml:7", "`noise` is", "from 0 to 100"]),
    in_ou(
        "[budget]\nby = \"parameters\"\nvalue = 10\n[[forecaster]]\nkind = \"mse\"\n",
        &["x.toml:6: [budget]: forecaster `mse` comes no nearer to 10 parameters than", "with `width` = 1"],
    ),
    Bad { text: OU, set: &["data.dt"], says: &["--set data.dt: `data.dt` has no `=`"] },
    Bad { text: OU, set: &["data.dtt=1"], says: &["--set data.dtt=1: [data] has no key `dtt`; did you mean `dt`?"] },
    Bad { text: OU, set: &["system.dim=x"], says: &["--set system.dim=x: system `ou`: `dim` is \"x\""] },
    Bad { text: OU, set: &["data.dt.a=x"], says: &["--set data.dt.a=x: `data.dt` is 1, and has no key `a`"] },
    Bad { text: OU, set: &["preset=linear"], says: &["`preset` cannot be set here"] },
];

pub const OU: &str = "[system]\nname = \"ou\"\n[data]\ndt = 1\n";

/// A bad experiment whose first four lines are good, but for `[data]`, which may be given again as an override would.
const fn in_ou(rest: &'static str, says: &'static [&'static str]) -> Bad {
    Bad { text: rest, set: &["in_ou"], says }
}

/// A bad experiment on Lorenz-63 whose row of etkf has this `estimate`, which stands on line 5.
const fn estimate(value: &'static str, says: &'static [&'static str]) -> Bad {
    Bad { text: value, set: &["estimate"], says }
}

/// A bad experiment whose system has `rest` as the settings of the system inside it, from line 4 on.
const fn inside(rest: &'static str, says: &'static [&'static str]) -> Bad {
    Bad { text: rest, set: &["inside"], says }
}

/// `rest` after a good `[system]` and `[data]`; keys of `[data]` in `rest` join those of the first.
pub fn after_ou(rest: &str) -> String {
    match rest.strip_prefix("[data]\n") {
        Some(more) => format!("{OU}{more}"),
        None => format!("{OU}{rest}"),
    }
}
