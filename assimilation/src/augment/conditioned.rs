//! The forecaster of [x, u] of one that is given theta: a learned one, for example.

use ndarray::{Array2, s};
use scorecast_systems::{Error, Forecaster, Key, Purpose};

use super::Parameter;

/// A forecaster that is given parameters theta ([`Forecaster::parameters`]) as one of [x, u], u = g(theta).
///
/// Its draws of x are those of the forecaster for these members; u takes its steps as in [`Augmented`](super::Augmented).
pub struct Conditioned<'a> {
    law: &'a dyn Forecaster,
    parameters: Vec<Parameter>,
    /// The place of each parameter among those that the forecaster is given.
    places: Vec<usize>,
}

impl<'a> Conditioned<'a> {
    /// Of a forecaster with these parameters, in any order.
    ///
    /// # Errors
    /// When they are not those that the forecaster is given.
    pub fn new(law: &'a dyn Forecaster, parameters: Vec<Parameter>) -> scorecast_systems::Result<Self> {
        let given = law.parameters();
        let place = |parameter: &Parameter| given.iter().position(|name| *name == parameter.name);
        let places: Option<Vec<usize>> = parameters.iter().map(place).collect();
        match places {
            Some(places) if (0..given.len()).all(|at| places.contains(&at)) => Ok(Self { law, parameters, places }),
            _ => {
                let own: Vec<&str> = parameters.iter().map(|parameter| parameter.name.as_str()).collect();
                Err(Error::Unsupported(format!(
                    "the forecaster is conditioned on {}, and {} estimated; estimate just those that it is conditioned on",
                    listed(given),
                    if own.is_empty() { "none are".to_owned() } else { format!("{} are", own.join(", ")) }
                )))
            }
        }
    }

    /// Where u begin.
    fn first(&self) -> usize {
        self.law.dim() - self.parameters.len()
    }

    /// [x, theta] of [x, u].
    fn given(&self, members: &Array2<f64>) -> Array2<f64> {
        let mut given = members.clone();
        for (at, (parameter, place)) in self.parameters.iter().zip(&self.places).enumerate() {
            let u = members.column(self.first() + at);
            given.column_mut(self.first() + place).assign(&u.mapv(|u| parameter.value(u)));
        }
        given
    }

    /// Takes x through some lead steps while u stay.
    fn forecast(&self, k: usize, steps: usize, members: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
        let mut given = self.given(members);
        self.law.advance(k, steps, &mut given, key)?;
        let x = s![.., ..self.first()];
        members.slice_mut(x).assign(&given.slice(x));
        Ok(())
    }
}

/// "`a`, `b`", or "nothing".
fn listed(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    if quoted.is_empty() { "nothing".to_owned() } else { quoted.join(", ") }
}

impl Forecaster for Conditioned<'_> {
    fn dim(&self) -> usize {
        self.law.dim()
    }

    fn history(&self) -> usize {
        self.law.history()
    }

    fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
        self.advance(k, 1, x, key)
    }

    fn advance(&self, k: usize, steps: usize, x: &mut Array2<f64>, key: Key) -> scorecast_systems::Result<()> {
        if self.parameters.iter().all(|parameter| parameter.walk == 0.0) {
            return self.forecast(k, steps, x, key);
        }
        for at in k..k + steps {
            self.forecast(at, 1, x, key)?;
            let normals = key.purpose(Purpose::ParameterWalk).at(at as u64).normals(x.nrows(), self.parameters.len());
            for (j, parameter) in self.parameters.iter().enumerate() {
                let step = &normals.column(j) * parameter.walk;
                let mut u = x.column_mut(self.first() + j);
                u += &step;
            }
        }
        Ok(())
    }

    fn autonomous(&self) -> bool {
        self.law.autonomous()
    }
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use scorecast_systems::{Domain, Result};

    use super::super::Augmented;
    use super::*;

    /// x_{k+1} = a x_k + s e of each member's own a and s, which stand behind x.
    struct Decay([String; 2]);

    impl Forecaster for Decay {
        fn dim(&self) -> usize {
            3
        }

        fn parameters(&self) -> &[String] {
            &self.0
        }

        fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> Result<()> {
            let noise = key.at(k as u64).normals(x.nrows(), 1);
            for (mut row, e) in x.outer_iter_mut().zip(&noise) {
                row[0] = row[1] * row[0] + row[2] * e;
            }
            Ok(())
        }
    }

    /// The one of a member's parameters.
    struct Own(f64, f64);

    impl Forecaster for Own {
        fn dim(&self) -> usize {
            1
        }

        fn step(&self, k: usize, x: &mut Array2<f64>, key: Key) -> Result<()> {
            let noise = key.at(k as u64).normals(x.nrows(), 1);
            x.iter_mut().zip(&noise).for_each(|(x, e)| *x = self.0 * *x + self.1 * e);
            Ok(())
        }
    }

    /// One forecaster that is given parameters steps members as a family with a forecaster for each of them does, bit for bit.
    #[test]
    fn members_go_as_by_forecasters_of_their_own() {
        let law = Decay(["a".to_owned(), "s".to_owned()]);
        for walk in [0.0, 0.1] {
            // in another order, and on another scale
            let parameters = vec![Parameter::log("s", 0.5, 0.2).walking(walk), Parameter::linear("a", 0.9, 0.1)];
            let one = Conditioned::new(&law, parameters.clone()).unwrap();
            let family = |theta: &[f64]| Ok(Box::new(Own(theta[1], theta[0])) as Box<dyn Forecaster>);
            let many = Augmented::new(family, parameters).unwrap();
            let start = array![[1.0, -0.5, 0.9], [2.0, -1.0, 0.8], [-1.0, 0.1, -0.3]];
            let [mut found, mut expected] = [start.clone(), start.clone()];
            let key = Key::new(3, Domain::Method);
            one.advance(2, 5, &mut found, key).unwrap();
            many.advance(2, 5, &mut expected, key).unwrap();
            assert_eq!(found, expected);
            assert_eq!(found.column(1) == start.column(1), walk == 0.0);
            assert_eq!(found.column(2), start.column(2));
        }
    }

    #[test]
    fn parameters_that_are_not_those_of_the_forecaster_are_refused() {
        let law = Decay(["a".to_owned(), "s".to_owned()]);
        let said = |names: &[&str]| {
            let parameters = names.iter().map(|name| Parameter::linear(name, 1.0, 0.1)).collect();
            Conditioned::new(&law, parameters).err().unwrap().to_string()
        };
        let missing = said(&["a"]);
        assert!(missing.contains("conditioned on `a`, `s`, and a are estimated"), "{missing}");
        assert!(said(&["a", "s", "b"]).contains("a, s, b are estimated") && said(&[]).contains("none are"));
    }
}
