//! The map of quantiles from a density to its product with a likelihood, by a grid that is fine where either has its mass.
//!
//! Both densities are linear between nodes, so that their distribution functions F and F+ are known exactly and a likelihood that
//! is the same everywhere moves nothing. Nodes begin evenly spaced over the range of the prior; the range grows while the
//! product has mass at its end, and intervals with more than a share of either law are halved. Quantiles are counted from
//! the nearer end, in which no digits are lost.

use super::bounds::Bounds;

/// A density of one number.
pub(super) trait Density {
    /// Its logarithm up to a constant.
    fn log(&self, x: f64) -> f64;

    /// Where nearly all of its mass is.
    fn range(&self) -> (f64, f64);
}

/// Intervals at the beginning.
const INTERVALS: usize = 64;

/// The share of a law above which an interval is halved.
const SHARE: f64 = 1.0 / 128.0;

/// How often intervals are halved at most: a likelihood 2^-24 of the range wide is found.
const HALVINGS: usize = 24;

/// How often the range doubles at most.
const DOUBLINGS: usize = 12;

/// The log of the product at an end, relative to its largest, from which on there is nothing beyond.
const NOTHING: f64 = -36.0;

/// A node: where, and the logarithms of prior and likelihood.
#[derive(Clone, Copy)]
struct Node {
    x: f64,
    prior: f64,
    likelihood: f64,
}

impl Node {
    fn product(&self) -> f64 {
        self.prior + self.likelihood
    }
}

/// The room of the map.
#[derive(Default)]
pub(super) struct Grid {
    nodes: Vec<Node>,
    next: Vec<Node>,
    prior: Cumulative,
    product: Cumulative,
}

impl Grid {
    /// Writes to `moved`, which holds the members `x`, where these go.
    pub fn map(
        &mut self,
        density: &impl Density,
        bounds: Bounds,
        x: &[f64],
        log_likelihood: impl Fn(f64) -> f64,
        moved: &mut [f64],
    ) {
        let node = |x: f64| Node { x, prior: density.log(x), likelihood: log_likelihood(x) };
        self.spread(density.range(), bounds, x, node);
        let flat = self.nodes.windows(2).all(|pair| pair[0].likelihood == pair[1].likelihood);
        if flat || !largest(&self.nodes, Node::product).is_finite() {
            return;
        }
        (0..HALVINGS).any(|_| !self.halve(node));
        self.prior.set(&self.nodes, |node| node.prior);
        self.product.set(&self.nodes, Node::product);
        for moved in moved {
            *moved = self.product.inverse(&self.nodes, self.prior.quantile(&self.nodes, *moved));
        }
    }

    /// Nodes over the range of the prior, of the members and of the product.
    fn spread(&mut self, (first, last): (f64, f64), bounds: Bounds, x: &[f64], node: impl Fn(f64) -> Node) {
        let (lower, upper) = bounds.ends();
        let least = x.iter().copied().fold(first, f64::min).max(lower);
        let most = x.iter().copied().fold(last, f64::max).min(upper);
        let step = (most - least) / INTERVALS as f64;
        self.nodes.clear();
        self.nodes.extend((0..INTERVALS).map(|i| node(least + step * i as f64)));
        self.nodes.push(node(most));
        for doubling in 0..DOUBLINGS {
            let step = step * f64::powi(2.0, doubling as i32);
            let top = largest(&self.nodes, Node::product) + NOTHING;
            let (start, end) = (self.nodes[0], self.nodes[self.nodes.len() - 1]);
            let before = start.x > lower && start.product() > top;
            let behind = end.x < upper && end.product() > top;
            if before {
                let added = (1..=INTERVALS).rev().map(|i| (start.x - step * i as f64).max(lower));
                self.next.clear();
                self.next.extend(added.map(&node));
                self.next.extend_from_slice(&self.nodes);
                self.next.dedup_by(|a, b| a.x == b.x);
                std::mem::swap(&mut self.nodes, &mut self.next);
            }
            if behind {
                self.nodes.extend((1..=INTERVALS).map(|i| node((end.x + step * i as f64).min(upper))));
                self.nodes.dedup_by(|a, b| a.x == b.x);
            }
            if !before && !behind {
                break;
            }
        }
    }

    /// Halves the intervals that have more than a share of a law; false where there is none.
    fn halve(&mut self, node: impl Fn(f64) -> Node) -> bool {
        let tops = [largest(&self.nodes, |node| node.prior), largest(&self.nodes, Node::product)];
        let mass = |pair: &[Node]| {
            let width = pair[1].x - pair[0].x;
            let of = |a: f64, b: f64, top: f64| width * ((a - top).exp() + (b - top).exp());
            [of(pair[0].prior, pair[1].prior, tops[0]), of(pair[0].product(), pair[1].product(), tops[1])]
        };
        let total = self.nodes.windows(2).map(mass).fold([0.0; 2], |sum, mass| [sum[0] + mass[0], sum[1] + mass[1]]);
        self.next.clear();
        for pair in self.nodes.windows(2) {
            self.next.push(pair[0]);
            let share = mass(pair);
            let middle = 0.5 * (pair[0].x + pair[1].x);
            let between = pair[0].x < middle && middle < pair[1].x;
            if between && (share[0] > SHARE * total[0] || share[1] > SHARE * total[1]) {
                self.next.push(node(middle));
            }
        }
        self.next.extend(self.nodes.last());
        std::mem::swap(&mut self.nodes, &mut self.next);
        self.nodes.len() > self.next.len()
    }
}

fn largest(nodes: &[Node], of: impl Fn(&Node) -> f64) -> f64 {
    nodes.iter().map(of).fold(f64::NEG_INFINITY, f64::max)
}

/// A share of a law, counted from the end that is nearer.
#[derive(Clone, Copy)]
enum Quantile {
    Below(f64),
    Above(f64),
}

/// A law that is linear between nodes.
#[derive(Default)]
struct Cumulative {
    density: Vec<f64>,
    /// The mass below and above each node.
    below: Vec<f64>,
    above: Vec<f64>,
    total: f64,
}

impl Cumulative {
    fn set(&mut self, nodes: &[Node], log: impl Fn(&Node) -> f64) {
        let top = largest(nodes, &log);
        self.density.clear();
        self.density.extend(nodes.iter().map(|node| (log(node) - top).exp()));
        let mass = |i: usize| 0.5 * (nodes[i + 1].x - nodes[i].x) * (self.density[i] + self.density[i + 1]);
        self.below.clear();
        self.below.resize(nodes.len(), 0.0);
        self.above.clear();
        self.above.resize(nodes.len(), 0.0);
        for i in 0..nodes.len() - 1 {
            self.below[i + 1] = self.below[i] + mass(i);
        }
        for i in (0..nodes.len() - 1).rev() {
            self.above[i] = self.above[i + 1] + mass(i);
        }
        self.total = self.below[nodes.len() - 1];
    }

    /// The share of the law below or above x.
    fn quantile(&self, nodes: &[Node], x: f64) -> Quantile {
        let i = nodes.partition_point(|node| node.x < x).clamp(1, nodes.len() - 1) - 1;
        let (width, f) = (nodes[i + 1].x - nodes[i].x, [self.density[i], self.density[i + 1]]);
        let t = ((x - nodes[i].x) / width).clamp(0.0, 1.0);
        // the mass of the part of an interval between the end of density `near` and the share t of its width
        let part = |near: f64, far: f64, t: f64| width * t * (near + 0.5 * t * (far - near));
        let below = self.below[i] + part(f[0], f[1], t);
        if below < 0.5 * self.total {
            return Quantile::Below(below / self.total);
        }
        Quantile::Above((self.above[i + 1] + part(f[1], f[0], 1.0 - t)) / self.total)
    }

    /// Where a law has a share.
    fn inverse(&self, nodes: &[Node], quantile: Quantile) -> f64 {
        let last = nodes.len() - 1;
        // from the end of density `near`, the share of the width that has the mass
        let share = |near: f64, far: f64, per_width: f64| {
            let root = (near * near + 2.0 * (far - near) * per_width).max(0.0).sqrt();
            if per_width > 0.0 { (2.0 * per_width / (near + root)).min(1.0) } else { 0.0 }
        };
        match quantile {
            Quantile::Below(below) => {
                let mass = below * self.total;
                let i = self.below.partition_point(|below| *below < mass).clamp(1, last) - 1;
                let (from, width) = (nodes[i].x, nodes[i + 1].x - nodes[i].x);
                from + width * share(self.density[i], self.density[i + 1], (mass - self.below[i]) / width)
            }
            Quantile::Above(above) => {
                let mass = above * self.total;
                // falls from node to node
                let i = self.above.partition_point(|above| *above > mass).clamp(1, last) - 1;
                let (to, width) = (nodes[i + 1].x, nodes[i + 1].x - nodes[i].x);
                to - width * share(self.density[i + 1], self.density[i], (mass - self.above[i + 1]) / width)
            }
        }
    }
}
