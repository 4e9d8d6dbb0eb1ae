//! The object in the kernel: its maps, made, and its programs, which are loaded when somebody asks for them.
//!
//! What aya's own loader does for the few kinds that the object has, without the kernel's types: it reads all of them for each object, and again for
//! who loads programs, where a few numbers are enough ([`super::btf`]).

use std::{
    collections::HashMap,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    sync::Arc,
};

use aya::maps::{Map, MapData};
use aya_obj::{EbpfSectionKind, Object, ProgramSection};

use super::{
    bpf::{self, Code, Place, Refused},
    fold::{self, Frozen},
    load::chain,
};

/// A program of the object.
#[derive(Debug)]
pub(super) struct Program {
    /// Until it is loaded.
    code: Option<Code>,
    types: Option<Arc<OwnedFd>>,
    /// What its instructions are to be folded with.
    frozen: Option<Arc<Frozen>>,
    fd: Option<(Place, OwnedFd)>,
}

impl Program {
    /// Has the kernel look at it, once.
    pub(super) fn load(&mut self, place: Place) -> Result<(), Refused> {
        self.fold();
        let Some(code) = &self.code else { return Ok(()) };
        let types = self.types.as_ref().map(|types| types.as_fd());
        self.fd = Some((place, bpf::load_program(code, types, place)?));
        self.code = None;
        Ok(())
    }

    /// Puts into its instructions what is known by now, once.
    fn fold(&mut self) {
        if let (Some(code), Some(frozen)) = (&mut self.code, self.frozen.take()) {
            fold::fold(code, &frozen);
        }
    }

    /// Instructions that are still to be loaded.
    pub(super) fn len(&self) -> usize {
        self.code.as_ref().map_or(0, |code| code.instructions.len())
    }

    /// Its descriptor, where it is loaded.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.fd.as_ref().map(|(_, fd)| fd.as_fd())
    }
}

/// The object's maps and programs.
#[derive(Debug)]
pub(super) struct LoadedObject {
    maps: HashMap<String, Map>,
    programs: HashMap<String, Program>,
}

/// A map, and what the object says of it.
struct Made {
    map: MapData,
    said: aya_obj::Map,
}

impl LoadedObject {
    /// Makes the maps, with these values of globals, and these numbers of entries in place of the object's.
    ///
    /// # Errors
    /// What is wrong with the object, or what the kernel refuses, for people.
    pub(super) fn new(
        object: &[u8],
        globals: &[(&str, &[u8])],
        rooms: &[(&str, u32)],
    ) -> Result<Self, String> {
        let mut object = Object::parse(object).map_err(|e| chain(&e))?;
        let globals = globals.iter().map(|&(name, value)| (name, (value, true))).collect();
        object.patch_map_data(globals).map_err(|e| chain(&e))?;
        let features = aya::features();
        let types = match features.btf() {
            Some(known) => object.fixup_and_sanitize_btf(known).map_err(|e| chain(&e))?,
            None => None,
        };
        let types = types.map(|types| bpf::load_types(&types.to_bytes())).transpose();
        let types = types.map_err(|e| format!("the kernel refuses its types: {e}"))?.map(Arc::new);
        let types_fd = types.as_ref().map(|types| types.as_fd());

        let mut made = HashMap::new();
        for (name, mut said) in std::mem::take(&mut object.maps) {
            if let Some((_, n)) = rooms.iter().find(|(of, _)| *of == name) {
                said.set_max_entries(*n);
            }
            let map = make(&name, &said, types_fd).map_err(|e| format!("map {name}: {e}"))?;
            made.insert(name, Made { map, said });
        }
        let text = object.functions.keys().map(|(section, _)| *section).collect();
        let fds = made
            .iter()
            .map(|(name, Made { map, said })| (name.as_str(), map.fd().as_fd().as_raw_fd(), said));
        object.relocate_maps(fds, &text).map_err(|e| chain(&e))?;
        object.relocate_calls(&text).map_err(|e| chain(&e))?;
        object.sanitize_functions(features);

        let is_frozen = |made: &&Made| made.said.section_kind() == EbpfSectionKind::Rodata;
        let frozen = made.values().find(is_frozen).map(|Made { map, said }| {
            Arc::new(Frozen { fd: map.fd().as_fd().as_raw_fd(), value: said.data().to_vec() })
        });
        let mut programs = HashMap::new();
        for (name, said) in std::mem::take(&mut object.programs) {
            let Some(function) = object.functions.remove(&said.function_key()) else { continue };
            let code = Code {
                name: name.clone(),
                functions: function.func_info.func_info_bytes(),
                function_len: function.func_info_rec_size as u32,
                instructions: function.instructions,
                license: said.license.into_boxed_c_str(),
                sleeps: matches!(said.section, ProgramSection::Iter { sleepable: true }),
            };
            let (types, frozen) = (types.clone(), frozen.clone());
            programs.insert(name, Program { code: Some(code), types, frozen, fd: None });
        }
        let mut maps = HashMap::new();
        for (name, Made { map, .. }) in made {
            maps.insert(name, Map::from_map_data(map).map_err(|e| chain(&e))?);
        }
        Ok(Self { maps, programs })
    }

    pub(super) fn map(&self, name: &str) -> Option<&Map> {
        self.maps.get(name)
    }

    pub(super) fn map_mut(&mut self, name: &str) -> Option<&mut Map> {
        self.maps.get_mut(name)
    }

    pub(super) fn take_map(&mut self, name: &str) -> Option<Map> {
        self.maps.remove(name)
    }

    pub(super) fn program(&self, name: &str) -> Option<&Program> {
        self.programs.get(name)
    }

    pub(super) fn program_mut(&mut self, name: &str) -> Option<&mut Program> {
        self.programs.get_mut(name)
    }

    pub(super) fn programs_mut(&mut self) -> impl Iterator<Item = (&str, &mut Program)> {
        self.programs.iter_mut().map(|(name, program)| (name.as_str(), program))
    }

    /// Those that are loaded.
    pub(super) fn loaded(&self) -> impl Iterator<Item = (&str, Place, BorrowedFd<'_>)> {
        self.programs.iter().filter_map(|(name, program)| {
            program.fd.as_ref().map(|(place, fd)| (name.as_str(), *place, fd.as_fd()))
        })
    }

    /// What there is to load, of a program that is loaded several times.
    pub(super) fn take_code(&mut self, name: &str) -> Option<Code> {
        let mut program = self.programs.remove(name)?;
        program.fold();
        program.code
    }
}

fn make(name: &str, said: &aya_obj::Map, types: Option<BorrowedFd<'_>>) -> Result<MapData, String> {
    let io = |e: io::Error| e.to_string();
    if let Some(inner) = said.inner() {
        let like = MapData::create(inner, name, types).map_err(|e| chain(&e))?;
        let fd = bpf::create_array_of_maps(name, said.max_entries(), like.fd().as_fd());
        return MapData::from_fd(fd.map_err(io)?).map_err(|e| chain(&e));
    }
    let map = MapData::create(said.clone(), name, types).map_err(|e| chain(&e))?;
    if !said.data().is_empty() {
        bpf::update(map.fd().as_fd(), 0, said.data()).map_err(io)?;
    }
    if said.section_kind() == EbpfSectionKind::Rodata {
        bpf::freeze(map.fd().as_fd()).map_err(io)?;
    }
    Ok(map)
}
