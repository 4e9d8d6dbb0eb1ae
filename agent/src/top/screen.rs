//! Draws the screen.

use std::fmt::Write as _;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph};

use super::app::App;
use super::panes::{self, Pane, Side, Table, rate};
use super::sight::Sight;

/// The smallest screen that everything fits on.
pub(super) const WIDTH: u16 = 80;
pub(super) const HEIGHT: u16 = 24;

const HELP: &str = "\
1 ... 7, Tab, arrows   turn to a pane
s, r                   sort by the next column; the other way round
/                      filter (a condition as rules have it), Enter sets it, Esc
                       leaves it; an empty one picks everything
p, space               pause; the agent is asked all the same
up, down, PgUp, PgDn   scroll
q, Ctrl-C              quit

pipeline, rules, alerts, losses: all of it, from the agent's counters.
processes, events, containers: a sample of the events that the rules have
captured: all of a small window of a shard, of a full one 1 in 16, scaled up.
The filter picks from the sample alone, by what the kernel was asked for: a
field that no rule reads may have no value.
                                                         any key: back";

/// What things look like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// `NO_COLOR` is not set.
    pub(super) has_colour: bool,
}

impl Look {
    /// `NO_COLOR` counts where it is not empty (no-color.org).
    pub(super) fn of_environment() -> Self {
        Self { has_colour: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) }
    }

    fn colour(self, colour: Color) -> Style {
        if self.has_colour { Style::new().fg(colour) } else { Style::new() }
    }
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

/// Draws everything. `local_offset` as for [`panes::tables`].
pub(super) fn draw(
    frame: &mut Frame<'_>,
    app: &mut App,
    look: Look,
    local_offset: &dyn Fn(i64) -> i32,
) {
    let area = frame.area();
    if area.width < WIDTH || area.height < HEIGHT {
        let text =
            format!("{}x{} is too small, {WIDTH}x{HEIGHT} is needed", area.width, area.height);
        frame.render_widget(Paragraph::new(text), area);
        return;
    }
    let rows = [1, 1, 1, 1].map(Constraint::Length);
    let [head, numbers, tabs, status, main, foot] =
        Layout::vertical(rows.into_iter().chain([Constraint::Min(0), Constraint::Length(1)]))
            .areas(area);
    frame.render_widget(head_line(app, look, area.width), head);
    frame.render_widget(numbers_line(app, look), numbers);
    frame.render_widget(tabs_line(app, look), tabs);
    frame.render_widget(status_line(app, look), status);
    draw_tables(frame, main, app, look, local_offset);
    frame.render_widget(foot_line(app, look), foot);
    if let Some(typed) = &app.typed {
        let at = "filter: ".len() + typed.chars().count();
        let x = u16::try_from(at).unwrap_or(u16::MAX).min(area.width - 1);
        frame.set_cursor_position((x, status.y));
    }
    if app.shows_help {
        draw_help(frame, main, look);
    }
}

fn head_line(app: &App, look: Look, width: u16) -> Line<'static> {
    let left = "peregrine top";
    let right = match &app.sight {
        Some(sight) => {
            let rules = &sight.rules;
            format!(
                "{} rules, generation {}, in force for {}",
                rules.n_rules,
                rules.generation,
                age(rules.in_force_s)
            )
        }
        None => String::new(),
    };
    let paused = if app.is_paused { "  PAUSED" } else { "" };
    let gap = usize::from(width).saturating_sub(left.len() + paused.len() + right.len());
    Line::from(vec![
        Span::styled(left, bold()),
        Span::styled(paused, look.colour(Color::Yellow).add_modifier(Modifier::BOLD)),
        Span::raw(" ".repeat(gap)),
        Span::raw(right),
    ])
}

/// `12 s`, `3 min`, `7 h`, `9 days`.
fn age(seconds: u64) -> String {
    match seconds {
        s if s < 120 => format!("{s} s"),
        s if s < 2 * 3600 => format!("{} min", s / 60),
        s if s < 48 * 3600 => format!("{} h", s / 3600),
        s => format!("{} days", s / 86_400),
    }
}

fn numbers_line(app: &App, look: Look) -> Line<'static> {
    let Some(sight) = &app.sight else { return Line::from("asking the agent ...") };
    let [captured, evaluated, lost, alerts] = numbers(sight);
    let is_losing = sight.n_lost() > 0;
    let style = if is_losing { look.colour(Color::Red) } else { Style::new() };
    Line::from(vec![
        Span::raw(format!("{captured}  {evaluated}  ")),
        Span::styled(lost, style),
        Span::raw(format!("  {alerts}")),
    ])
}

/// The pipeline in few numbers.
pub(super) fn numbers(sight: &Sight) -> [String; 4] {
    let input = |hop: &str| sight.hop(hop).map_or(0, |h| h.input);
    let per_second = |n| rate(sight.per_second(n));
    [
        format!("captured {}/s", per_second(input("capture"))),
        format!("evaluated {}/s", per_second(input("detect"))),
        format!("lost {}/s ({} in all)", per_second(sight.n_lost()), sight.n_lost_before),
        format!("alerts {}/s", per_second(input("alert"))),
    ]
}

fn tabs_line(app: &App, look: Look) -> Line<'static> {
    let mut spans = Vec::new();
    for (n, pane) in (1..).zip(Pane::ALL) {
        let name = format!("{n} {}", pane.name());
        if pane == app.pane {
            // Brackets for terminals and readers without attributes.
            spans.push(Span::styled(format!("[{name}]"), look.colour(Color::Cyan).patch(bold())));
        } else {
            spans.push(Span::raw(format!(" {name} ")));
        }
    }
    Line::from(spans)
}

fn status_line(app: &App, look: Look) -> Line<'static> {
    if let Some(typed) = &app.typed {
        return Line::from(vec![Span::styled("filter: ", bold()), Span::raw(typed.clone())]);
    }
    if let Some(trouble) = &app.trouble {
        return Line::styled(trouble.clone(), look.colour(Color::Red));
    }
    let mut parts = Vec::new();
    if app.pane.is_sampled() {
        parts.extend(app.sight.as_ref().map(sample_told));
        let filter = if app.filter.is_empty() { "none" } else { &app.filter };
        parts.push(format!("filter: {filter}"));
    } else if !app.filter.is_empty() {
        parts.push("the filter picks from panes 2, 3 and 4 alone".to_owned());
    }
    if app.pane == Pane::Alerts {
        parts.extend(app.sight.as_ref().and_then(alerts_told));
    }
    Line::from(parts.join("; "))
}

/// How much of the events the sampled panes are made of.
pub(super) fn sample_told(sight: &Sight) -> String {
    let sampled = &sight.sampled;
    let mut text = match sampled.n_looked {
        0 => "sample: no events".to_owned(),
        n if n == sampled.n_events => format!("sample: all {n} events"),
        n => format!(
            "sample: {n} of some {} events, 1 in {:.1}",
            sampled.n_events,
            sampled.n_events as f64 / n as f64
        ),
    };
    if sampled.n_undecided > 0 {
        let _infallible = write!(text, ", {} undecided", sampled.n_undecided);
    }
    if sampled.n_missed > 0 {
        let _infallible = write!(text, ", {} not looked at", sampled.n_missed);
    }
    text
}

/// That there were more alerts than are shown.
pub(super) fn alerts_told(sight: &Sight) -> Option<String> {
    let n = sight.n_alerts_missed;
    (n > 0).then(|| format!("{n} more came too fast to be shown here"))
}

fn foot_line(app: &App, look: Look) -> Line<'static> {
    let text = if app.typed.is_some() {
        return match &app.trouble {
            Some(trouble) => Line::styled(trouble.clone(), look.colour(Color::Red)),
            None => Line::from("Enter sets the filter, Esc leaves it, Ctrl-U empties the line"),
        };
    } else {
        let sorts = app.pane.sorts();
        let sorting = app.sorting();
        let by = sorts
            .get(sorting.by)
            .map(|by| format!("  by {by}{}", if sorting.is_reversed { ", reversed" } else { "" }));
        format!("? help  s sort  r reverse  / filter  p pause  q quit{}", by.unwrap_or_default())
    };
    Line::styled(text, Style::new().add_modifier(Modifier::DIM))
}

fn draw_tables(
    frame: &mut Frame<'_>,
    area: Rect,
    app: &mut App,
    look: Look,
    local_offset: &dyn Fn(i64) -> i32,
) {
    let Some(sight) = &app.sight else { return };
    let tables = panes::tables(app.pane, sight, app.sorting(), local_offset);
    let lines = lines(&tables, usize::from(area.width));
    // The head of a single table stays where it is.
    let n_fixed = usize::from(tables.len() == 1);
    let n_shown = usize::from(area.height) - n_fixed;
    app.scroll_within(lines.len() - n_fixed, n_shown);
    let (head, rest) = lines.split_at(n_fixed);
    let rest = rest.iter().skip(app.scrolled()).take(n_shown);
    let style = |line: &TextLine| match line.kind {
        Kind::Head => bold(),
        Kind::Row => Style::new(),
        Kind::Losing => look.colour(Color::Red),
    };
    let drawn: Vec<Line<'_>> =
        head.iter().chain(rest).map(|line| Line::styled(line.text.clone(), style(line))).collect();
    frame.render_widget(Paragraph::new(drawn), area);
}

/// A line of a table, laid out.
pub(super) struct TextLine {
    pub(super) text: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Head,
    Row,
    /// Something is lost there.
    Losing,
}

/// Tables below each other, within a width.
pub(super) fn lines(tables: &[Table], width: usize) -> Vec<TextLine> {
    let mut all = Vec::new();
    for Table { columns, rows, when_empty } in tables {
        if !all.is_empty() {
            all.push(TextLine { text: String::new(), kind: Kind::Row });
        }
        let heads: Vec<String> = columns.iter().map(|(head, ..)| (*head).to_owned()).collect();
        all.push(TextLine { text: laid_out(columns, &heads, width), kind: Kind::Head });
        if rows.is_empty() {
            all.push(TextLine { text: (*when_empty).to_owned(), kind: Kind::Row });
        }
        let lost = columns.iter().position(|(head, ..)| *head == "lost/s");
        for row in rows {
            let is_losing = lost.and_then(|at| row.get(at)).is_some_and(|n| n != "0");
            let kind = if is_losing { Kind::Losing } else { Kind::Row };
            all.push(TextLine { text: laid_out(columns, row, width), kind });
        }
    }
    all
}

/// Cells at their places. What does not fit is cut; what the terminal would take as an order is shown as a question mark.
fn laid_out(columns: &[panes::Column], cells: &[String], width: usize) -> String {
    let mut line = String::new();
    let mut used = 0;
    for (n, ((_, side, most), cell)) in columns.iter().zip(cells).enumerate() {
        let is_last = n + 1 == columns.len() && *most == 0;
        let room = if is_last { width.saturating_sub(used) } else { *most };
        let cell: String =
            cell.chars().map(|c| if c.is_control() { '?' } else { c }).take(room).collect();
        let blanks = if is_last { 0 } else { room - cell.chars().count() };
        match side {
            Side::Left => line.extend([cell, " ".repeat(blanks)]),
            Side::Right => line.extend([" ".repeat(blanks), cell]),
        }
        line.push_str("  ");
        used += room + 2;
    }
    line.truncate(line.trim_end().len());
    line
}

fn draw_help(frame: &mut Frame<'_>, area: Rect, look: Look) {
    let height = u16::try_from(HELP.lines().count()).unwrap_or(area.height).min(area.height);
    let area = Rect { height, ..area };
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(HELP).style(look.colour(Color::Cyan)), area);
}

#[cfg(test)]
#[path = "screen_tests.rs"]
mod tests;
