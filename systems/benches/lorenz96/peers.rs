//! The peers: one Python process that waits while ours are measured.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::{Case, Failure};

/// One way of writing a case in one of the peers.
pub struct Way {
    pub peer: String,
    pub name: String,
    pub seconds: f64,
    pub mean_square: f64,
    members: usize,
}

/// The process, and the least time of each way so far.
pub struct Peers {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    found: Vec<String>,
    ways: Vec<Way>,
}

impl Peers {
    /// Starts the Python named by SCORECAST_PYTHON, or `python3`, if it has NumPy.
    pub fn start() -> Result<Self, Failure> {
        let python = std::env::var("SCORECAST_PYTHON").unwrap_or_else(|_| "python3".into());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/lorenz96_peers.py");
        let mut process =
            Command::new(&python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(|why| {
                format!("{python} does not start ({why}); name one with NumPy and JAX in SCORECAST_PYTHON")
            })?;
        let (Some(requests), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err("the peers have no pipes".into());
        };
        let answers = BufReader::new(answers);
        let mut peers = Self { process, requests, answers, found: Vec::new(), ways: Vec::new() };
        for line in peers.answer()? {
            println!("beside {}", line.replace('\t', " "));
            peers.found.push(line.split('\t').next().unwrap_or_default().to_owned());
        }
        Ok(peers)
    }

    /// Measures every way of every peer.
    pub fn measure(&mut self, case: &Case) -> Result<(), Failure> {
        let Case { members, dim, steps, .. } = *case;
        for peer in self.found.clone() {
            writeln!(self.requests, "{peer} {members} {dim} {steps}")?;
            for line in self.answer()? {
                self.keep(&peer, members, &line)?;
            }
        }
        Ok(())
    }

    /// The ways of a case, peer by peer.
    pub fn of(&self, case: &Case) -> impl Iterator<Item = &Way> {
        self.ways.iter().filter(move |way| way.members == case.members)
    }

    fn keep(&mut self, peer: &str, members: usize, line: &str) -> Result<(), Failure> {
        let [name, seconds, mean_square] = line.split('\t').collect::<Vec<_>>()[..] else {
            return Err(format!("the peers answered `{line}`").into());
        };
        let (seconds, mean_square): (f64, f64) = (seconds.parse()?, mean_square.parse()?);
        let same = |way: &&mut Way| way.peer == peer && way.name == name && way.members == members;
        match self.ways.iter_mut().find(same) {
            Some(way) => way.seconds = way.seconds.min(seconds),
            None => {
                let (peer, name) = (peer.to_owned(), name.to_owned());
                self.ways.push(Way { peer, name, seconds, mean_square, members });
            }
        }
        Ok(())
    }

    fn answer(&mut self) -> Result<Vec<String>, Failure> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if self.answers.read_line(&mut line)? == 0 {
                return Err("the peers ended; does this Python have NumPy?".into());
            }
            match line.trim_end() {
                "" => return Ok(lines),
                line => lines.push(line.to_owned()),
            }
        }
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        // it holds nothing worth an orderly end
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
