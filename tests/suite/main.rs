//! The test suite: one binary, whose harness can show a test as ignored at run time. GPU tests need a Vulkan device;
//! where there is none they are shown as ignored, and with HYADES_REQUIRE_GPU=1 they fail; those on SwiftShader need
//! Chromium's driver, which HYADES_REQUIRE_SWIFTSHADER=1 requires. One test needs Python with NumPy and pyarrow: it fails
//! where they are missing, and with HYADES_WITHOUT_PYTHON=1 is shown as ignored.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod architecture;
mod backends;
mod bad_files;
mod bad_input;
mod bad_setting;
mod beginning;
mod browser;
mod campaign;
mod cards;
mod changes;
mod check;
mod choose;
mod cli;
#[cfg(feature = "cloud")]
mod cloud;
mod columns;
mod command;
mod compare;
mod comparisons;
mod conditions;
mod crashes;
mod csv;
#[cfg(feature = "delta")]
mod delta;
mod device;
mod drift;
mod encrypted;
mod equality;
mod errors;
mod evidence;
mod explain;
mod extremes;
mod facade;
#[cfg(feature = "faults")]
mod faults;
mod features;
mod files;
mod forge;
mod fuzz;
mod golden;
mod harness;
mod history;
mod hostile;
mod identity;
mod join;
mod lineage;
mod lists;
mod mixture;
mod models;
mod monthly;
mod optimum;
mod pages;
mod privacy;
mod profile;
mod publication;
mod recipe;
mod reproduce;
mod request;
#[cfg(feature = "faults")]
mod resume;
mod rfm;
mod rules;
mod sources;
mod speech;
mod stability;
#[cfg(feature = "cloud")]
mod store;
mod swiftshader;
mod tables;
mod tags;
mod tenure;
mod types;
mod values;
mod ward;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(folder) = fuzz::child_folder() {
        fuzz::child(&folder);
        return ExitCode::SUCCESS;
    }
    let arguments = libtest_mimic::Arguments::from_args();
    let tests = [
        architecture::tests(),
        facade::tests(),
        backends::tests(),
        equality::tests(),
        cli::tests(),
        profile::tests(),
        explain::tests(),
        columns::tests(),
        campaign::tests(),
        cards::tests(),
        changes::tests(),
        files::tests(),
        check::tests(),
        choose::tests(),
        #[cfg(feature = "faults")]
        faults::tests(),
        features::tests(),
        identity::tests(),
        join::tests(),
        lineage::tests(),
        lists::tests(),
        publication::tests(),
        #[cfg(feature = "cloud")]
        cloud::tests(),
        models::tests(),
        monthly::tests(),
        beginning::tests(),
        browser::tests(),
        stability::tests(),
        compare::tests(),
        comparisons::tests(),
        monthly::with_gpu(),
        crashes::tests(),
        #[cfg(feature = "faults")]
        resume::tests(),
        #[cfg(feature = "faults")]
        resume::with_gpu(),
        optimum::tests(),
        pages::tests(),
        privacy::tests(),
        recipe::tests(),
        reproduce::tests(),
        request::tests(),
        rfm::tests(),
        conditions::tests(),
        csv::tests(),
        #[cfg(feature = "delta")]
        delta::tests(),
        rules::tests(),
        speech::tests(),
        encrypted::tests(),
        bad_input::tests(),
        bad_files::tests(),
        hostile::tests(),
        errors::tests(),
        evidence::tests(),
        evidence::with_python(),
        fuzz::tests(),
        golden::tests(),
        history::tests(),
        bad_setting::tests(),
        device::tests(),
        drift::tests(),
        swiftshader::tests(),
        tags::tests(),
        tenure::tests(),
        extremes::tests(),
        types::tests(),
        values::tests(),
        ward::tests(),
        mixture::tests(),
    ];
    let conclusion = libtest_mimic::run(&arguments, tests.into_iter().flatten().collect());
    if arguments.list {
        return ExitCode::SUCCESS;
    }
    // The harness reports how many were ignored; this prints why.
    harness::explain_ignored();
    conclusion.exit_code()
}
