//! Which of the scored files are compared with which, and on what cases.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::stage::pairing::{Ground, Pairs, Place};
use crate::stage::rows::Labelled;
use crate::stage::score_table::ScoreTable;

/// The leads that two files have: in the first, and in the second.
type Shared<'a> = Box<dyn Fn(usize, usize) -> Vec<(usize, usize)> + 'a>;

/// Files of one kind, and the leads that two of them have (in the first, in the second).
pub struct Files<'a> {
    grounds: Vec<(&'a str, &'a Ground)>,
    shared: Shared<'a>,
    /// By first and second file.
    pairs: RefCell<HashMap<(usize, usize), Rc<Pairs>>>,
}

impl<'a> Files<'a> {
    /// Files with their labels, and what leads two of them share.
    pub fn new(grounds: Vec<(&'a str, &'a Ground)>, shared: impl Fn(usize, usize) -> Vec<(usize, usize)> + 'a) -> Self {
        Self { grounds, shared: Box::new(shared), pairs: RefCell::new(HashMap::new()) }
    }

    /// The cases of the second file that the first has too.
    fn pairs(&self, first: usize, second: usize) -> Rc<Pairs> {
        let made = || Rc::new(self.grounds[second].1.pairs(self.grounds[first].1, &(self.shared)(first, second)));
        Rc::clone(self.pairs.borrow_mut().entry((first, second)).or_insert_with(made))
    }

    /// Among some files those that can be compared: each with the first before it with which it shares cases.
    pub fn groups(&self, files: &[usize]) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for &file in files {
            match groups.iter_mut().find(|group| !self.pairs(group[0], file).cases.is_empty()) {
                Some(group) => group.push(file),
                None => groups.push(vec![file]),
            }
        }
        groups
    }

    /// The tables of a group of files, each with the cases that the first of them has too, counted as that one does.
    pub fn placed(&self, group: &[usize], tables: &[&ScoreTable]) -> Vec<(String, ScoreTable)> {
        let place = |(&file, table): (&usize, &&ScoreTable)| {
            let label = self.grounds[file].0.to_owned();
            if file == group[0] {
                return (label, (*table).clone());
            }
            let pairs = self.pairs(group[0], file);
            let places: HashMap<Place, Place> = pairs.cases.iter().map(|&(first, own)| (own, first)).collect();
            (label, table.placed(&|own| places.get(&own).copied()))
        };
        group.iter().zip(tables).map(place).collect()
    }

    /// What is to be told of each file after the first: with which it is compared, and what of it is not there.
    pub fn warnings(&self) -> Vec<String> {
        (1..self.grounds.len()).filter_map(|file| self.warning(file)).collect()
    }

    fn warning(&self, file: usize) -> Option<String> {
        let (label, ground) = self.grounds[file];
        let Some(first) = (0..file).find(|&first| !self.pairs(first, file).cases.is_empty()) else {
            let name = self.grounds[0].0;
            return Some(format!(
                "`{label}` is unpaired: it is of other times, lead times or truths than `{name}`, and so is not compared with it."
            ));
        };
        let (pairs, name) = (self.pairs(first, file), self.grounds[first].0);
        let leads = ground.truth.dim().2 - (self.shared)(first, file).len();
        (pairs.left_out + leads > 0).then(|| {
            format!(
                "`{label}` is compared with `{name}` on the {} cases of the same times and truths: {} of its cases and {leads} of \
                 its lead times are not there and were left out.",
                pairs.cases.len(),
                pairs.left_out
            )
        })
    }
}

/// Rows as comparisons take them.
pub fn labelled(tables: &[(String, ScoreTable)]) -> Vec<Labelled<'_>> {
    tables.iter().map(|(label, table)| (label.clone(), table)).collect()
}
