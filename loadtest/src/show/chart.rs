//! Line charts as SVG, without a script: axes with units, lines, shaded times.
//!
//! Colours are classes; the page that a chart stands in says what they look like.

use std::fmt::Write as _;

use crate::rounding::whole;

/// The drawing's width, and what of it is left for labels.
const WIDTH: f64 = 880.0;
const LEFT: f64 = 66.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 44.0;

/// How high a drawing is.
pub(crate) const TALL: f64 = 300.0;
pub(crate) const LOW: f64 = 170.0;

/// How values lie on an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    Linear,
    /// Each decade as long as the others; what is not above zero lies at the low end.
    Log,
}

/// An axis with its labels.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    label: &'static str,
    low: f64,
    high: f64,
    scale: Scale,
    ticks: Vec<(f64, String)>,
}

/// A line: its name and class, and its points. A gap is where a point is not finite.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) class: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
}

/// Times that are shaded, under one name in the legend.
#[derive(Debug, Clone)]
pub(crate) struct Shade {
    pub(crate) name: &'static str,
    pub(crate) class: &'static str,
    /// From one x to another.
    pub(crate) spans: Vec<(f64, f64)>,
}

/// A chart.
#[derive(Debug, Clone)]
pub(crate) struct Chart {
    pub(crate) title: &'static str,
    pub(crate) height: f64,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    /// Those without a span are not in the legend either.
    pub(crate) shades: Vec<Shade>,
    pub(crate) lines: Vec<Line>,
}

impl Axis {
    /// From zero to at least `high`, with round labels.
    pub(crate) fn linear(label: &'static str, high: f64) -> Self {
        let step = round_step(high.max(1e-9) / 5.0);
        let steps = (high / step).ceil().clamp(1.0, 20.0);
        let ticks = (0..=whole(steps)).map(|number| {
            let value = crate::rounding::fraction(number) * step;
            (value, short(value))
        });
        Self { label, low: 0.0, high: step * steps, scale: Scale::Linear, ticks: ticks.collect() }
    }

    /// Time from one second to another.
    pub(crate) fn seconds(from: f64, to: f64) -> Self {
        let whole_axis = Self::linear("seconds", to);
        let ticks = whole_axis.ticks.into_iter().filter(|&(value, _)| value >= from && value <= to);
        let ticks = ticks.collect();
        Self { label: "seconds since the start", low: from, high: to, scale: Scale::Linear, ticks }
    }

    /// Latencies in microseconds, by decades around `low` and `high`.
    pub(crate) fn latency(low: f64, high: f64) -> Self {
        let (first, last) = (low.max(1.0).log10().floor(), high.max(10.0).log10().ceil());
        let last = last.max(first + 1.0);
        let decades = (0..=9_i32).map(f64::from).filter(|decade| (first..=last).contains(decade));
        let ticks = decades.map(|decade| {
            let us = 10_f64.powf(decade);
            let text = if us < 1e3 {
                format!("{us} µs")
            } else if us < 1e6 {
                format!("{} ms", us / 1e3)
            } else {
                format!("{} s", us / 1e6)
            };
            (us, text)
        });
        let (low, high) = (10_f64.powf(first), 10_f64.powf(last));
        Self { label: "latency", low, high, scale: Scale::Log, ticks: ticks.collect() }
    }

    /// Percentiles by how many nines they have, up to `most`.
    pub(crate) fn percentiles(most: f64) -> Self {
        let named = [
            (0.0, "0 %"),
            (0.301, "50 %"),
            (1.0, "90 %"),
            (2.0, "99 %"),
            (3.0, "99.9 %"),
            (4.0, "99.99 %"),
            (5.0, "99.999 %"),
            (6.0, "99.9999 %"),
        ];
        let high = most.max(1.0);
        let ticks = named.into_iter().filter(|&(nines, _)| nines <= high);
        let ticks = ticks.map(|(nines, text)| (nines, text.to_owned())).collect();
        Self {
            label: "share of commands that were at least as fast",
            low: 0.0,
            high,
            scale: Scale::Linear,
            ticks,
        }
    }

    /// Where a value lies on the axis: 0 at its low end, 1 at its high end.
    fn place(&self, value: f64) -> f64 {
        let scaled = |value: f64| match self.scale {
            Scale::Linear => value,
            Scale::Log => value.max(self.low).log10(),
        };
        let (low, high) = (scaled(self.low), scaled(self.high));
        if high <= low { 0.0 } else { ((scaled(value) - low) / (high - low)).clamp(0.0, 1.0) }
    }
}

/// 1, 2 or 5 times a power of ten, at least `step`.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= step * 0.999);
    factor.unwrap_or(10.0) * power
}

/// A number for a label.
fn short(value: f64) -> String {
    let rounded = |value: f64| format!("{}", (value * 1_000.0).round() / 1_000.0);
    match value {
        value if value >= 1e6 => format!("{}M", rounded(value / 1e6)),
        value if value >= 1e4 => format!("{}k", rounded(value / 1e3)),
        value => rounded(value),
    }
}

impl Chart {
    /// The chart with its title and legend.
    pub(crate) fn figure(&self) -> String {
        let mut html =
            format!("<figure>\n<figcaption><h2>{}</h2><span class=\"legend\">", self.title);
        for line in &self.lines {
            let _ =
                write!(html, "<span><i class=\"{}\"></i>{}</span>", line.class, escape(&line.name));
        }
        for shade in self.shades.iter().filter(|shade| !shade.spans.is_empty()) {
            let _ = write!(html, "<span><i class=\"{}\"></i>{}</span>", shade.class, shade.name);
        }
        html.push_str("</span></figcaption>\n");
        html.push_str(&self.svg());
        html.push_str("</figure>\n");
        html
    }

    /// The drawing.
    fn svg(&self) -> String {
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"{}\">\n",
            self.height,
            escape(self.title)
        );
        for shade in &self.shades {
            for &(from, to) in &shade.spans {
                let (left, right) = (self.across(from), self.across(to));
                let (width, height) = ((right - left).max(1.0), self.height - TOP - BOTTOM);
                let _ = writeln!(
                    svg,
                    "<rect class=\"{}\" x=\"{left:.1}\" y=\"{TOP}\" width=\"{width:.1}\" \
                     height=\"{height:.1}\"/>",
                    shade.class
                );
            }
        }
        self.axes(&mut svg);
        for line in &self.lines {
            for run in line.points.split(|(x, y)| !x.is_finite() || !y.is_finite()) {
                self.polyline(&mut svg, line.class, run);
            }
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn axes(&self, svg: &mut String) {
        let (bottom, right) = (self.height - BOTTOM, WIDTH - RIGHT);
        for (value, text) in &self.y.ticks {
            let y = self.up(*value);
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
                LEFT - 8.0,
                y + 4.0
            );
        }
        for (value, text) in &self.x.ticks {
            let x = self.across(*value);
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/>\
                 <text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>",
                bottom + 17.0
            );
        }
        let (middle, low) = (f64::midpoint(LEFT, right), self.height - 6.0);
        let half = f64::midpoint(TOP, bottom);
        let _ = writeln!(
            svg,
            "<line class=\"axis\" x1=\"{LEFT}\" y1=\"{bottom:.1}\" x2=\"{right:.1}\" \
             y2=\"{bottom:.1}\"/>\
             <text class=\"label\" x=\"{middle:.1}\" y=\"{low:.1}\" text-anchor=\"middle\">{}</text>\
             <text class=\"label\" x=\"12\" y=\"{half:.1}\" text-anchor=\"middle\" \
             transform=\"rotate(-90 12 {half:.1})\">{}</text>",
            self.x.label, self.y.label
        );
    }

    fn polyline(&self, svg: &mut String, class: &str, run: &[(f64, f64)]) {
        if let [(x, y)] = run {
            let (x, y) = (self.across(*x), self.up(*y));
            let _ =
                writeln!(svg, "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"1.5\"/>");
            return;
        }
        if run.is_empty() {
            return;
        }
        let _ = write!(svg, "<polyline class=\"{class}\" points=\"");
        for &(x, y) in run {
            let _ = write!(svg, "{:.1},{:.1} ", self.across(x), self.up(y));
        }
        svg.push_str("\"/>\n");
    }

    fn across(&self, value: f64) -> f64 {
        LEFT + self.x.place(value) * (WIDTH - LEFT - RIGHT)
    }

    fn up(&self, value: f64) -> f64 {
        self.height - BOTTOM - self.y.place(value) * (self.height - TOP - BOTTOM)
    }
}

/// Text as HTML shows it.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "what is compared is exact")]
mod tests {
    use super::*;

    fn chart(points: Vec<(f64, f64)>) -> Chart {
        Chart {
            title: "Latency",
            height: TALL,
            x: Axis::seconds(0.0, 10.0),
            y: Axis::latency(100.0, 30_000.0),
            shades: vec![
                Shade { name: "burst", class: "shade", spans: vec![(2.0, 3.0)] },
                Shade { name: "checkpoint", class: "keep", spans: Vec::new() },
            ],
            lines: vec![Line { name: "p99".to_owned(), class: "b", points }],
        }
    }

    #[test]
    fn decades_are_equally_far_apart() {
        let axis = Axis::latency(150.0, 90_000.0);
        let labels: Vec<&str> = axis.ticks.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(labels, ["100 µs", "1 ms", "10 ms", "100 ms"]);
        assert!((axis.place(1_000.0) - 1.0 / 3.0).abs() < 1e-9);
        assert_eq!(axis.place(0.0), 0.0);
        assert_eq!(axis.place(1e12), 1.0);
    }

    #[test]
    fn linear_axes_have_round_labels() {
        let labels = |high| -> Vec<String> {
            Axis::linear("", high).ticks.into_iter().map(|(_, text)| text).collect()
        };
        assert_eq!(labels(23_000.0), ["0", "5000", "10k", "15k", "20k", "25k"]);
        assert_eq!(labels(0.0).first().map(String::as_str), Some("0"));
        assert_eq!(labels(7.0), ["0", "2", "4", "6", "8"]);
    }

    #[test]
    fn a_line_goes_where_its_values_are_and_breaks_at_gaps() {
        let svg = chart(vec![(0.0, 100.0), (10.0, 1e5), (5.0, f64::NAN), (5.0, 1e3)]).svg();
        assert!(svg.contains("points=\"66.0,256.0 866.0,12.0 \""), "{svg}");
        assert!(svg.contains("<circle class=\"b\" cx=\"466.0\""), "{svg}");
        assert!(svg.contains("<rect class=\"shade\" x=\"226.0\" y=\"12\" width=\"80.0\""), "{svg}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn the_legend_names_what_is_shaded() {
        let html = chart(Vec::new()).figure();
        assert!(html.contains("<i class=\"shade\"></i>burst"), "{html}");
        assert!(!html.contains("checkpoint"), "{html}");
    }

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escape("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
    }
}
