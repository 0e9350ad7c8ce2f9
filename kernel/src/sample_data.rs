//! `huntbook sample-data`: generated data as files.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use huntbook_sample_data::{
    DataFactory, EventConfig, FactoryConfig, Record, security_events, write_csv, write_jsonl, write_tsv,
};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder for the files.
    #[arg(short, long, default_value = "sample-data-out")]
    output: PathBuf,
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
    /// The same seed gives the same data.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Days of SecurityEvent 5140 (network share accessed).
    #[arg(long, default_value_t = 14)]
    days: u32,
    /// Anomalous accesses planted in the last day.
    #[arg(long, default_value_t = 10)]
    planted: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Jsonl,
    Csv,
    Tsv,
}

/// Writes the access sets and the events with their ground truth, and says what it wrote.
pub(crate) fn write(arguments: &Arguments) -> anyhow::Result<()> {
    let folder = &arguments.output;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let config = FactoryConfig { seed: arguments.seed, ..FactoryConfig::default() };
    let factory = DataFactory::new(config.clone());
    let training = factory.training(0.25)?;
    let format = arguments.format;
    write_file(folder, "accesses_training", format, &training)?;
    write_file(folder, "accesses_intra_test", format, &factory.intra_test(&training)?)?;
    write_file(folder, "accesses_inter_test", format, &factory.inter_test(&training)?)?;
    let events = EventConfig { days: arguments.days, seed: arguments.seed, ..EventConfig::default() };
    let sample = security_events(&config, &events, arguments.planted)?;
    write_file(folder, "SecurityEvent", format, &sample.events)?;
    write_file(folder, "ground_truth", format, &sample.ground_truth)?;
    Ok(())
}

fn write_file<R: Record>(folder: &Path, name: &str, format: Format, records: &[R]) -> anyhow::Result<()> {
    let ending = match format {
        Format::Jsonl => "jsonl",
        Format::Csv => "csv",
        Format::Tsv => "tsv",
    };
    let path = folder.join(format!("{name}.{ending}"));
    let file = BufWriter::new(File::create(&path).with_context(|| format!("cannot write {}", path.display()))?);
    match format {
        Format::Jsonl => write_jsonl(records, file),
        Format::Csv => write_csv(records, file),
        Format::Tsv => write_tsv(records, file),
    }
    .with_context(|| format!("cannot write {}", path.display()))?;
    println!("{}: {} rows", path.display(), records.len());
    Ok(())
}
