//! The state of the screen, and what keys do to it.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::panes::{Pane, Sorting};
use super::sight::Sight;

/// Longest filter.
const MAX_FILTER: usize = 4096;

/// What the screen shows, and how.
pub(super) struct App {
    pub(super) pane: Pane,
    /// By pane.
    pub(super) sorting: [Sorting; Pane::ALL.len()],
    /// Rows that are scrolled past, by pane.
    pub(super) scrolled: [usize; Pane::ALL.len()],
    /// That of the agent's sample.
    pub(super) filter: String,
    /// The filter that is being typed.
    pub(super) typed: Option<String>,
    /// What is wrong with what was typed, or with the last look.
    pub(super) trouble: Option<String>,
    pub(super) is_paused: bool,
    pub(super) shows_help: bool,
    pub(super) sight: Option<Sight>,
    /// The newest, where the screen is paused.
    newest: Option<Sight>,
}

/// What a key asks for beside a change of the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Nothing,
    Quit,
    /// Another filter for the sample.
    Filter(String),
}

impl App {
    pub(super) fn new(filter: String) -> Self {
        Self {
            pane: Pane::Pipeline,
            sorting: Default::default(),
            scrolled: Default::default(),
            filter,
            typed: None,
            trouble: None,
            is_paused: false,
            shows_help: false,
            sight: None,
            newest: None,
        }
    }

    fn at(&self) -> usize {
        Pane::ALL.iter().position(|&pane| pane == self.pane).unwrap_or(0)
    }

    pub(super) fn sorting(&self) -> Sorting {
        self.sorting[self.at()]
    }

    pub(super) fn scrolled(&self) -> usize {
        self.scrolled[self.at()]
    }

    /// What the agent told of another interval.
    pub(super) fn see(&mut self, sight: Sight) {
        let before = self.newest.as_ref().or(self.sight.as_ref());
        let sight = sight.after(before);
        self.trouble = None;
        if self.is_paused {
            self.newest = Some(sight);
        } else {
            self.sight = Some(sight);
        }
    }

    /// Does what a key says.
    pub(super) fn press(&mut self, key: KeyEvent) -> Wish {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Wish::Quit,
                KeyCode::Char('u') if self.typed.is_some() => {
                    self.typed = Some(String::new());
                    Wish::Nothing
                }
                _ => Wish::Nothing,
            };
        }
        if self.typed.is_some() {
            return self.edit(key.code);
        }
        if self.shows_help {
            self.shows_help = false;
            return if key.code == KeyCode::Char('q') { Wish::Quit } else { Wish::Nothing };
        }
        let at = self.at();
        match key.code {
            KeyCode::Char('q') => return Wish::Quit,
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.shows_help = true,
            KeyCode::Char(digit @ '1'..='7') => {
                self.pane = Pane::ALL[digit as usize - '1' as usize];
            }
            KeyCode::Tab | KeyCode::Right => self.turn(1),
            KeyCode::BackTab | KeyCode::Left => self.turn(Pane::ALL.len() - 1),
            KeyCode::Char('s') => {
                let n = self.pane.sorts().len().max(1);
                self.sorting[at] =
                    Sorting { by: (self.sorting[at].by + 1) % n, is_reversed: false };
            }
            KeyCode::Char('r') => self.sorting[at].is_reversed ^= true,
            KeyCode::Char('/' | 'f') => self.typed = Some(self.filter.clone()),
            KeyCode::Char('p' | ' ') => self.pause(),
            KeyCode::Down | KeyCode::Char('j') => self.scrolled[at] += 1,
            KeyCode::Up | KeyCode::Char('k') => {
                self.scrolled[at] = self.scrolled[at].saturating_sub(1);
            }
            KeyCode::PageDown => self.scrolled[at] += 10,
            KeyCode::PageUp => self.scrolled[at] = self.scrolled[at].saturating_sub(10),
            KeyCode::Home => self.scrolled[at] = 0,
            KeyCode::Esc => self.trouble = None,
            _ => {}
        }
        Wish::Nothing
    }

    fn turn(&mut self, by: usize) {
        self.pane = Pane::ALL[(self.at() + by) % Pane::ALL.len()];
    }

    fn pause(&mut self) {
        self.is_paused ^= true;
        if let (false, Some(newest)) = (self.is_paused, self.newest.take()) {
            self.sight = Some(newest);
        }
    }

    /// A key of a filter that is being typed. A wrong one stays in the line, with what is wrong.
    fn edit(&mut self, code: KeyCode) -> Wish {
        let Some(typed) = &mut self.typed else { return Wish::Nothing };
        match code {
            KeyCode::Esc => {
                self.typed = None;
                self.trouble = None;
            }
            KeyCode::Backspace => drop(typed.pop()),
            KeyCode::Char(c) if typed.len() < MAX_FILTER => typed.push(c),
            KeyCode::Enter => {
                let text = typed.trim();
                if let Err(e) = super::check_filter(text) {
                    self.trouble = Some(e);
                    return Wish::Nothing;
                }
                let filter = text.to_owned();
                self.typed = None;
                self.trouble = None;
                self.filter.clone_from(&filter);
                return Wish::Filter(filter);
            }
            _ => {}
        }
        Wish::Nothing
    }

    /// Keeps the pane from being scrolled past its last row.
    pub(super) fn scroll_within(&mut self, n_rows: usize, n_shown: usize) {
        let at = self.at();
        self.scrolled[at] = self.scrolled[at].min(n_rows.saturating_sub(n_shown));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(app: &mut App, keys: &str) -> Wish {
        let press = |wish: Wish, c| {
            let code = match c {
                '\n' => KeyCode::Enter,
                '\t' => KeyCode::Tab,
                '\x1b' => KeyCode::Esc,
                '\x08' => KeyCode::Backspace,
                c => KeyCode::Char(c),
            };
            assert_eq!(wish, Wish::Nothing);
            app.press(KeyEvent::new(code, KeyModifiers::NONE))
        };
        keys.chars().fold(Wish::Nothing, press)
    }

    #[test]
    fn panes_are_turned_to_by_number_and_in_turn() {
        let mut app = App::new(String::new());
        press(&mut app, "5");
        assert_eq!(app.pane, Pane::Rules);
        press(&mut app, "\t\t\t");
        assert_eq!(app.pane, Pane::Pipeline);
        app.press(KeyEvent::new(KeyCode::Left, KeyModifiers::NONE));
        assert_eq!(app.pane, Pane::Losses);
    }

    #[test]
    fn each_pane_has_a_sorting_of_its_own() {
        let mut app = App::new(String::new());
        press(&mut app, "2ss3r");
        assert_eq!(app.sorting(), Sorting { by: 0, is_reversed: true });
        press(&mut app, "2");
        assert_eq!(app.sorting(), Sorting { by: 2, is_reversed: false });
        press(&mut app, "sss");
        assert_eq!(app.sorting().by, 0);
        press(&mut app, "1s");
        assert_eq!(app.sorting().by, 0);
    }

    #[test]
    fn a_filter_is_typed_checked_and_wished_for() {
        let mut app = App::new(String::new());
        assert_eq!(press(&mut app, "/proc.nane=q\n"), Wish::Nothing);
        assert_eq!(
            app.trouble.as_deref(),
            Some("unknown field `proc.nane`, did you mean `proc.name`?")
        );
        let (back, rest) = ("\x08".repeat(4), "me=q\n");
        let wish = press(&mut app, &format!("{back}{rest}"));
        assert_eq!(wish, Wish::Filter("proc.name=q".to_owned()));
        assert_eq!((app.typed.as_deref(), &*app.filter), (None, "proc.name=q"));
        press(&mut app, "/x\x1b");
        assert_eq!((app.typed.as_deref(), &*app.filter), (None, "proc.name=q"));
        assert_eq!(press(&mut app, "q"), Wish::Quit);
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        press(&mut app, "/");
        assert_eq!(app.press(control_c), Wish::Quit);
    }
}
