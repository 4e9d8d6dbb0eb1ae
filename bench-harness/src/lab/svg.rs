//! A bar chart in SVG: one row an engine, its best round as a bar, its rounds from best to worst as a line.

use std::fmt::Write as _;

use super::figure::{Statistic, Summary};
use super::report::number;

const ROW: f64 = 26.0;
const LABELS: f64 = 240.0;
const BARS: f64 = 420.0;
const VALUES: f64 = 90.0;
const TOP: f64 = 34.0;

/// The chart of one figure.
pub(crate) fn chart(title: &str, rows: &[(&str, Summary)]) -> String {
    let most = rows.iter().map(|(_, s)| s.get(Statistic::Best).max(s.get(Statistic::Worst)));
    let most = most.fold(f64::MIN_POSITIVE, f64::max);
    let (width, height) = (LABELS + BARS + VALUES, TOP + ROW * rows.len() as f64 + 8.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"8\" y=\"20\" font-weight=\"bold\">{}</text>\n",
        escaped(title)
    );
    for (n, (name, summary)) in rows.iter().enumerate() {
        let y = TOP + ROW * n as f64;
        let at = |statistic| LABELS + BARS * summary.get(statistic) / most;
        let (best, worst) = (at(Statistic::Best), at(Statistic::Worst));
        let (middle, text_y) = (y + ROW / 2.0 - 2.0, y + ROW / 2.0 + 3.0);
        let _infallible = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{text_y:.1}\" text-anchor=\"end\">{}</text>\n\
             <rect x=\"{LABELS:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#4878a8\"/>\n\
             <line x1=\"{best:.1}\" y1=\"{middle:.1}\" x2=\"{worst:.1}\" y2=\"{middle:.1}\" stroke=\"#202020\" stroke-width=\"2\"/>\n\
             <text x=\"{:.1}\" y=\"{text_y:.1}\">{}</text>\n",
            LABELS - 8.0,
            escaped(name),
            best - LABELS,
            ROW - 6.0,
            best.max(worst) + 6.0,
            number(summary.get(Statistic::Best)),
        );
    }
    svg + "</svg>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
