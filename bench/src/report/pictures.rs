//! The pictures of the report. Each stands on a white plate, so that it can be read on a dark page too.

use std::path::Path;

use anyhow::Result;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::tables::number;
use crate::parts::Row;
use crate::parts::fulfilment::{Contender, Fulfilment};
use crate::parts::growth::{Growth, Step};
use crate::parts::http::{self, Http};
use crate::parts::latency::{Latency, Run};
use crate::parts::sweeps::{BATCH, Sweeps, WINDOW};
use crate::statistics::{median, percentile};
use crate::system::Fsync;
use crate::wrk::Load;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

const OURS: RGBColor = RGBColor(37, 99, 235);
const OURS_TOO: RGBColor = RGBColor(14, 148, 136);
const LOADED: RGBColor = RGBColor(217, 119, 6);
const LOADED_TOO: RGBColor = RGBColor(190, 24, 93);
const OVER_HTTP: RGBColor = RGBColor(124, 58, 237);
const LOADED_OVER_HTTP: RGBColor = RGBColor(77, 124, 15);
const THEIRS: RGBColor = RGBColor(148, 163, 184);
const INK: RGBColor = RGBColor(30, 41, 59);
const PALE: RGBColor = RGBColor(226, 232, 240);
const FONT: &str = "Helvetica, Arial, sans-serif";

/// Width of every picture, in pixels.
const WIDTH: u32 = 900;

fn plate(file: &Path, height: u32, draw: impl FnOnce(&Area) -> Result<()>) -> Result<()> {
    let area = SVGBackend::new(file, (WIDTH, height)).into_drawing_area();
    area.fill(&WHITE)?;
    draw(&area)?;
    area.present()?;
    Ok(())
}

fn ink(size: u32) -> TextStyle<'static> {
    (FONT, size).into_font().color(&INK)
}

fn title(area: &Area, text: &str) -> Result<()> {
    Ok(area.draw(&Text::new(text, (20, 16), ink(18)))?)
}

/// A text that is anchored to a point.
fn label(area: &Area, text: &str, at: (i32, i32), size: u32, anchor: (HPos, VPos)) -> Result<()> {
    let style = ink(size).pos(Pos::new(anchor.0, anchor.1));
    Ok(area.draw(&Text::new(text, at, style))?)
}

fn bar(area: &Area, corners: [(i32, i32); 2], colour: RGBColor) -> Result<()> {
    Ok(area.draw(&Rectangle::new(corners, colour.filled()))?)
}

struct Bar {
    label: String,
    value: f64,
    colour: RGBColor,
}

fn colour(is_ours: bool) -> RGBColor {
    if is_ours { OURS } else { THEIRS }
}

/// Horizontal bars, each with its value behind it.
fn bars(area: &Area, heading: &str, bars: &[Bar]) -> Result<()> {
    const LABELS: i32 = 330;
    const VALUES: i32 = 80;
    const ROW: i32 = 30;
    const TOP: i32 = 46;
    let width = i32::try_from(area.dim_in_pixel().0)? - LABELS - VALUES;
    let most = bars.iter().map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
    title(area, heading)?;
    for (row, one) in (0..).zip(bars) {
        let middle = TOP + ROW * row + ROW / 2;
        let end = LABELS + (one.value / most * f64::from(width)).max(1.0) as i32;
        label(area, &one.label, (LABELS - 10, middle), 14, (HPos::Right, VPos::Center))?;
        bar(area, [(LABELS, middle - 10), (end, middle + 10)], one.colour)?;
        label(
            area,
            &number(one.value),
            (end + 8, middle),
            14,
            (HPos::Left, VPos::Center),
        )?;
    }
    Ok(())
}

/// Height that so many bars take.
fn bars_height(count: usize) -> u32 {
    60 + 30 * u32::try_from(count).unwrap_or(0)
}

struct Line {
    name: String,
    colour: RGBColor,
    points: Vec<(f64, f64)>,
}

struct Chart<'a> {
    title: &'a str,
    x: &'a str,
    y: &'a str,
    lines: Vec<Line>,
    /// Marks on the horizontal axis, which is logarithmic.
    marks: Vec<f64>,
    /// The top of the vertical axis.
    top: f64,
    /// Points are marked, not only joined.
    dots: bool,
}

impl Chart<'_> {
    /// With the points of the first line as marks.
    fn with_dots<'a>(title: &'a str, x: &'a str, y: &'a str, lines: Vec<Line>) -> Chart<'a> {
        let points = lines.iter().flat_map(|line| &line.points);
        let highest = points.map(|(_, y)| *y).fold(f64::MIN_POSITIVE, f64::max);
        let marks = lines.iter().take(1).flat_map(|line| &line.points).map(|(x, _)| *x);
        Chart {
            title,
            x,
            y,
            marks: marks.collect(),
            top: highest * 1.1,
            dots: true,
            lines,
        }
    }
}

/// Two charts side by side.
fn pair(file: &Path, charts: [Chart; 2]) -> Result<()> {
    plate(file, 380, |area| {
        let panels = area.split_evenly((1, 2));
        panels
            .iter()
            .zip(charts)
            .try_for_each(|(panel, chart)| draw_lines(panel, &chart))
    })
}

/// Lines over a logarithmic horizontal axis.
fn draw_lines(area: &Area, axes: &Chart) -> Result<()> {
    let lines = &axes.lines;
    let (Some(first), Some(last)) = (axes.marks.first(), axes.marks.last()) else {
        return Ok(());
    };
    let (left, right) = (first.log2(), last.log2());
    let room = (right - left) * 0.04;
    title(area, axes.title)?;
    let mut chart = ChartBuilder::on(area)
        .margin(16)
        .margin_top(if lines.len() > 1 { 66 } else { 50 })
        .x_label_area_size(46)
        .y_label_area_size(76)
        .build_cartesian_2d(left - room..right + room, 0.0..axes.top)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .disable_x_axis()
        .bold_line_style(PALE)
        .light_line_style(TRANSPARENT)
        .axis_style(THEIRS)
        .x_labels(0)
        .y_labels(6)
        .y_desc(axes.y)
        .y_label_formatter(&|value| mark_text(*value))
        .label_style(ink(13))
        .axis_desc_style(ink(14))
        .draw()?;
    let plot = chart.plotting_area();
    let (across, down) = plot.get_pixel_range();
    let base = area.get_base_pixel();
    let bottom = down.end - base.1;
    for mark in &axes.marks {
        let x = plot.map_coordinate(&(mark.log2(), 0.0)).0 - base.0;
        label(area, &mark_text(*mark), (x, bottom + 8), 13, (HPos::Center, VPos::Top))?;
    }
    let middle = i32::midpoint(across.start, across.end) - base.0;
    label(area, axes.x, (middle, bottom + 30), 14, (HPos::Center, VPos::Top))?;

    for line in lines {
        let points: Vec<(f64, f64)> = line.points.iter().map(|(x, y)| (x.log2(), *y)).collect();
        let colour = line.colour;
        chart.draw_series(LineSeries::new(points.clone(), colour.stroke_width(3)))?;
        if axes.dots {
            chart.draw_series(points.iter().map(|point| Circle::new(*point, 5, colour.filled())))?;
        }
    }
    if lines.len() > 1 {
        legend(area, lines)?;
    }
    Ok(())
}

/// The lines' names in one row, below the title.
fn legend(area: &Area, lines: &[Line]) -> Result<()> {
    /// About as wide as a letter of this size is.
    const LETTER: usize = 7;
    let mut x = 20;
    for line in lines {
        bar(area, [(x, 44), (x + 14, 54)], line.colour)?;
        label(area, &line.name, (x + 20, 49), 13, (HPos::Left, VPos::Center))?;
        x += 44 + i32::try_from(line.name.len() * LETTER)?;
    }
    Ok(())
}

/// A number at an axis: whole ones without decimals.
fn mark_text(mark: f64) -> String {
    if mark < 1_000.0 {
        format!("{mark}")
    } else {
        number(mark)
    }
}

pub(super) fn fulfilment(figures: &Fulfilment, file: &Path) -> Result<()> {
    let rows = figures.rows.iter().filter(|row| row.case.fsync == Fsync::Everysec);
    let all: Vec<Bar> = rows
        .map(|row| Bar {
            label: row.case.contender.to_string(),
            value: row.median(|run| run.per_s),
            colour: colour(matches!(row.case.contender, Contender::App { .. })),
        })
        .collect();
    plate(file, bars_height(all.len()), |area| {
        bars(area, "Fulfilment, orders per second", &all)
    })
}

pub(super) fn sweeps(figures: &Sweeps, file: &Path) -> Result<()> {
    let line = |setting: &str| Line {
        name: figures.runtime.to_string(),
        colour: OURS,
        points: figures
            .by(setting)
            .map(|row| (row.case.value as f64, row.median(|run| run.per_s)))
            .collect(),
    };
    let y = "orders per second";
    let mut by_batch = Chart::with_dots("By size of batch", "entries per delivery", y, vec![line(BATCH)]);
    let mut by_window = Chart::with_dots("By window", "deliveries unanswered", y, vec![line(WINDOW)]);
    let top = by_batch.top.max(by_window.top);
    (by_batch.top, by_window.top) = (top, top);
    pair(file, [by_batch, by_window])
}

pub(super) fn latency(figures: &Latency, file: &Path) -> Result<()> {
    let mut all = Vec::new();
    let pairs = [(OURS, LOADED), (OURS_TOO, LOADED_TOO), (OVER_HTTP, LOADED_OVER_HTTP)];
    for (row, colours) in figures.rows.iter().zip(pairs) {
        let all_ms =
            |run_ms: fn(&Run) -> &Vec<f64>| -> Vec<f64> { row.runs.iter().flat_map(run_ms).copied().collect() };
        for (what, times, colour) in [
            ("idle", all_ms(|run| &run.idle_ms), colours.0),
            ("beside 2,000 orders/s", all_ms(|run| &run.loaded_ms), colours.1),
        ] {
            let points = (0..=200).map(|step| f64::from(step) / 2.0);
            all.push(Line {
                name: format!("{}, {what}", row.case),
                colour,
                points: points.map(|percent| (percentile(&times, percent), percent)).collect(),
            });
        }
    }
    let times = || all.iter().flat_map(|line| &line.points).map(|(ms, _)| *ms);
    let (least, most) = (times().fold(f64::MAX, f64::min), times().fold(0.0, f64::max));
    let marks = [
        0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0,
    ];
    let from = marks.iter().rposition(|mark| *mark <= least).unwrap_or(0);
    let to = marks.iter().position(|mark| *mark >= most).unwrap_or(marks.len() - 1);
    let marks = marks[from..=to].to_vec();
    let chart = Chart {
        title: "From the answer to POST until fulfilled",
        x: "milliseconds",
        y: "per cent of the orders",
        lines: all,
        marks,
        top: 100.0,
        dots: false,
    };
    plate(file, 400, |area| draw_lines(area, &chart))
}

pub(super) fn http(figures: &Http, file: &Path) -> Result<()> {
    let bars_of = |load, figure: fn(&Load) -> f64| -> Vec<Bar> {
        let bar = |row: &Row<http::Contender, http::Run>| Bar {
            label: row.case.to_string(),
            value: median(&row.figures(load, figure)),
            colour: colour(matches!(row.case, http::Contender::App { .. })),
        };
        figures.rows.iter().map(bar).collect()
    };
    let [(_, post), (_, get), _] = http::REQUESTS;
    let panels = [
        ("POST an order, requests per second", bars_of(post, Load::per_s)),
        ("POST an order, p99 in milliseconds", bars_of(post, |load| load.p99_ms)),
        ("GET an order, requests per second", bars_of(get, Load::per_s)),
        ("GET an order, p99 in milliseconds", bars_of(get, |load| load.p99_ms)),
    ];
    let height = bars_height(figures.rows.len());
    plate(file, height * 4, |area| {
        for (panel, (title, all)) in area.split_evenly((4, 1)).iter().zip(&panels) {
            bars(panel, title, all)?;
        }
        Ok(())
    })
}

pub(super) fn growth(figures: &Growth, file: &Path) -> Result<()> {
    let line = |name: &str, colour: RGBColor, value: &dyn Fn(&Step) -> f64| Line {
        name: name.to_owned(),
        colour,
        points: figures
            .steps
            .iter()
            .map(|step| (step.orders as f64, value(step)))
            .collect(),
    };
    let cycle_us = line("charged to closed", OURS, &|step| {
        median(&step.each(|run| run.cycle_us))
    });
    let redis_us = line("of it Redis", LOADED, &|step| {
        median(&step.each(|run| run.cycle_redis_us))
    });
    let bytes = line("memory", OURS, &|step| step.bytes_per_order);
    let x = "orders stored";
    let time = Chart::with_dots("Time per order", x, "microseconds", vec![cycle_us, redis_us]);
    let memory = Chart::with_dots("Memory per order, streams included", x, "bytes", vec![bytes]);
    pair(file, [time, memory])
}
