//! Medians and percentiles, and Redis's statistics of itself.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// 0 of none.
pub(crate) fn median(figures: &[f64]) -> f64 {
    percentile(figures, 50.0)
}

/// Between two neighbours in proportion; 0 of none.
pub(crate) fn percentile(figures: &[f64], percent: f64) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let rank = last as f64 * percent / 100.0;
    let (below, above) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
    below + (above - below) * rank.fract()
}

/// Redis's statistics since it started, or between two looks.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Counted {
    /// Processor time, in seconds, of the thread that runs the commands.
    pub(crate) main_thread_s: f64,
    /// Always as it is at the later look.
    pub(crate) memory_bytes: f64,
    /// Calls and microseconds by command. A script's own commands count under it and under themselves.
    pub(crate) commands: BTreeMap<String, (f64, f64)>,
}

impl Counted {
    pub(crate) fn read(connection: &mut redis::Connection) -> Result<Self> {
        let info: String = redis::cmd("INFO").arg("everything").query(connection)?;
        Self::parse(&info)
    }

    fn parse(info: &str) -> Result<Self> {
        let lines: BTreeMap<&str, &str> = info.lines().filter_map(|line| line.trim().split_once(':')).collect();
        let number = |name: &str| -> Result<f64> {
            let value = lines.get(name).with_context(|| format!("INFO lacks {name}"))?;
            Ok(value.parse()?)
        };
        let commands = lines.iter().filter_map(|(name, value)| {
            let name = name.strip_prefix("cmdstat_")?;
            let field = |wanted: &str| -> Option<f64> {
                let mut fields = value.split(',').filter_map(|field| field.split_once('='));
                fields.find(|(name, _)| *name == wanted)?.1.parse().ok()
            };
            Some((name.to_owned(), (field("calls")?, field("usec")?)))
        });
        Ok(Self {
            main_thread_s: number("used_cpu_sys_main_thread")? + number("used_cpu_user_main_thread")?,
            memory_bytes: number("used_memory")?,
            commands: commands.collect(),
        })
    }

    /// The difference to an earlier look.
    pub(crate) fn since(&self, before: &Self) -> Self {
        let commands = self.commands.iter().filter_map(|(name, (calls, us))| {
            let (calls_before, us_before) = before.commands.get(name).copied().unwrap_or_default();
            (*calls > calls_before).then(|| (name.clone(), (calls - calls_before, us - us_before)))
        });
        Self {
            main_thread_s: self.main_thread_s - before.main_thread_s,
            memory_bytes: self.memory_bytes,
            commands: commands.collect(),
        }
    }

    /// Name, calls and microseconds of each command, the longest first; without the benchmark's own looks at groups.
    pub(crate) fn longest_commands(&self) -> Vec<(&str, f64, f64)> {
        let all = self.commands.iter().map(|(name, (calls, us))| (&**name, *calls, *us));
        let mut commands: Vec<_> = all.filter(|(name, ..)| !name.starts_with("xinfo")).collect();
        commands.sort_by(|one, other| other.2.total_cmp(&one.2));
        commands
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_lie_between_neighbours() {
        let figures = [4.0, 1.0, 3.0, 2.0];
        assert_eq!(median(&figures), 2.5);
        assert_eq!(percentile(&figures, 0.0), 1.0);
        assert_eq!(percentile(&figures, 100.0), 4.0);
        assert_eq!(median(&[7.0]), 7.0);
        assert_eq!(median(&[]), 0.0);
    }

    #[test]
    fn redis_is_read_and_compared() {
        let info = |calls: u32| {
            format!(
                "# Memory\r\nused_memory:1000\r\nused_cpu_sys_main_thread:0.5\r\nused_cpu_user_main_thread:{calls}.0\r\n\
                 cmdstat_evalsha:calls={calls},usec=700,usec_per_call=70.00,rejected_calls=0,failed_calls=0\r\n"
            )
        };
        let before = Counted::parse(&info(10)).unwrap();
        let after = Counted::parse(&info(12)).unwrap();
        let between = after.since(&before);
        assert_eq!(between.commands["evalsha"], (2.0, 0.0));
        assert_eq!(between.main_thread_s, 2.0);
        assert_eq!(after.commands["evalsha"], (12.0, 700.0));
        assert!(after.since(&after).commands.is_empty());
    }
}
