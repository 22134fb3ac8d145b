//! The crate raptorq as a program: encodes, decodes and times, for tests and benchmarks of another implementation.
//!
//!     raptorq_peer encode OTI_HEX REPAIR <object >packets
//!     raptorq_peer decode OTI_HEX <packets >object
//!     raptorq_peer bench K T
//!
//! OTI_HEX is RFC 6330's object transmission information (section 3.3): 12 bytes as 24 hex digits. A packet is the FEC
//! payload ID (section 3.2) and a symbol. "encode" writes of every source block all source symbols and REPAIR repair
//! symbols, in order. "decode" takes packets of any blocks in any order. "bench" prints "ENCODE_MB_S DECODE_MB_S".
//!
//! Exit status: 0, 1 where what was read does not do, 2 for usage.

use raptorq::{
    partition, Decoder, Encoder, EncodingPacket, ObjectTransmissionInformation, PayloadId, SourceBlockDecoder,
    SourceBlockEncoder, SourceBlockEncodingPlan,
};
use std::hint::black_box;
use std::io::{self, BufWriter, Read, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const USAGE: &str = "usage: raptorq_peer encode OTI_HEX REPAIR | decode OTI_HEX | bench K T";
const ID_BYTES: usize = 4;
const K_MAX: u32 = 56403;
const ESI_MAX: u32 = 0xff_ffff;
const BYTES_MAX: u64 = 946_270_874_880;
const SAMPLE: Duration = Duration::from_millis(300);

struct Failure {
    status: u8,
    message: String,
}

fn failure<T>(status: u8, message: impl Into<String>) -> Result<T, Failure> {
    Err(Failure { status, message: message.into() })
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure { status: 1, message: error.to_string() }
    }
}

fn number(text: &str, what: &str, min: u32, max: u32) -> Result<u32, Failure> {
    match text.parse() {
        Ok(value) if (min..=max).contains(&value) => Ok(value),
        _ => failure(2, format!("{what} is \"{text}\", not a number from {min} to {max}")),
    }
}

/// What the crate would panic over is refused here.
fn check_oti(oti: &ObjectTransmissionInformation) -> Result<(), &'static str> {
    let (t, alignment) = (oti.symbol_size(), u16::from(oti.symbol_alignment()));

    if oti.transfer_length() == 0 || oti.transfer_length() > BYTES_MAX {
        return Err("the transfer length is out of range");
    }
    if t == 0 || alignment == 0 || t % alignment != 0 {
        return Err("the symbol size is no multiple of the alignment");
    }
    if oti.sub_blocks() == 0 || oti.sub_blocks() > t / alignment {
        return Err("the number of sub-blocks is out of range");
    }
    let (symbols, blocks) = (oti.transfer_length().div_ceil(u64::from(t)), u64::from(oti.source_blocks()));
    if blocks == 0 || blocks > symbols || symbols.div_ceil(blocks) > u64::from(K_MAX) {
        return Err("the number of source blocks is out of range");
    }
    Ok(())
}

fn parse_oti(text: &str) -> Result<ObjectTransmissionInformation, Failure> {
    let mut bytes = [0; 12];

    if text.len() != 2 * bytes.len() || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return failure(2, format!("\"{text}\" is not {} hex digits", 2 * bytes.len()));
    }
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap_or(0);
    }
    let oti = ObjectTransmissionInformation::deserialize(&bytes);
    match check_oti(&oti) {
        Ok(()) => Ok(oti),
        Err(message) => failure(2, format!("{text}: {message}")),
    }
}

/// Source symbols of the largest block, and the object's number of them.
fn symbol_counts(oti: &ObjectTransmissionInformation) -> (u32, u32) {
    let all = oti.transfer_length().div_ceil(u64::from(oti.symbol_size())) as u32;

    (partition(all, oti.source_blocks()).0, all)
}

fn read_input() -> io::Result<Vec<u8>> {
    let mut input = vec![];

    io::stdin().lock().read_to_end(&mut input)?;
    Ok(input)
}

fn encode(oti: &str, repair: &str) -> Result<(), Failure> {
    let oti = parse_oti(oti)?;
    let repair = number(repair, "REPAIR", 0, ESI_MAX + 1 - symbol_counts(&oti).0)?;
    let object = read_input()?;
    let mut output = BufWriter::new(io::stdout().lock());

    if object.len() as u64 != oti.transfer_length() {
        return failure(1, format!("the object has {} bytes, not {}", object.len(), oti.transfer_length()));
    }
    for block in Encoder::new(&object, oti).get_block_encoders() {
        for packet in block.source_packets().iter().chain(&block.repair_packets(0, repair)) {
            output.write_all(&packet.serialize())?;
        }
    }
    Ok(output.flush()?)
}

fn decode(oti: &str) -> Result<(), Failure> {
    let oti = parse_oti(oti)?;
    let packet_bytes = ID_BYTES + usize::from(oti.symbol_size());
    let input = read_input()?;
    let mut decoder = Decoder::new(oti);

    if input.len() % packet_bytes != 0 {
        return failure(1, format!("{} bytes are no whole number of packets of {packet_bytes}", input.len()));
    }
    for packet in input.chunks_exact(packet_bytes) {
        if packet[0] >= oti.source_blocks() {
            return failure(1, format!("there is no source block {}", packet[0]));
        }
        decoder.add_new_packet(EncodingPacket::deserialize(packet));
    }
    match decoder.get_result() {
        Some(object) => Ok(io::stdout().lock().write_all(&object)?),
        None => {
            let (packets, symbols) = (input.len() / packet_bytes, symbol_counts(&oti).1);
            failure(1, format!("{packets} packets do not suffice for {symbols} source symbols"))
        }
    }
}

/// Seconds that a run takes: the mean of as many as take 0.3 s, of at least one.
fn seconds_of(mut run: impl FnMut() -> Result<Duration, Failure>) -> Result<f64, Failure> {
    let (mut runs, mut total) = (0.0, Duration::ZERO);

    while total < SAMPLE {
        total += run()?;
        runs += 1.0;
    }
    Ok(total.as_secs_f64() / runs)
}

/// Source symbols but for every tenth, and as many repair symbols as were lost and extra more.
fn received(object: &[u8], t: usize, repair: &[EncodingPacket], extra: usize) -> Vec<EncodingPacket> {
    let source = object.chunks_exact(t).enumerate().filter(|(esi, _)| esi % 10 != 0);
    let lost = (object.len() / t).div_ceil(10);

    source
        .map(|(esi, symbol)| EncodingPacket::new(PayloadId::new(0, esi as u32), symbol.to_vec()))
        .chain(repair[..lost + extra].iter().cloned())
        .collect()
}

/// The plan is made each time, as for a block that comes alone: SourceBlockEncoder::new would remember it. What a run
/// leaves is freed outside the time, and only what it reads is made before.
fn bench(k: &str, t: &str) -> Result<(), Failure> {
    const EXTRA_MAX: usize = 8;
    let (k, t) = (number(k, "K", 1, K_MAX)?, number(t, "T", 1, u32::from(u16::MAX))?);
    let bytes = k as usize * t as usize;
    let lost = k.div_ceil(10);
    let oti = ObjectTransmissionInformation::new(bytes as u64, t as u16, 1, 1, 1);
    let mut state = 1u32;
    let object: Vec<u8> = (0..bytes)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();

    let encode = seconds_of(|| {
        let start = Instant::now();
        let plan = SourceBlockEncodingPlan::generate(k as u16);
        let encoder = SourceBlockEncoder::with_encoding_plan(0, &oti, &object, &plan);
        let packets = encoder.repair_packets(0, lost);
        let time = start.elapsed();
        black_box(packets);
        Ok(time)
    })?;
    let repair = SourceBlockEncoder::new(0, &oti, &object).repair_packets(0, lost + EXTRA_MAX as u32);
    let mut extra = 0;
    let decode = seconds_of(|| loop {
        let packets = received(&object, t as usize, &repair, extra);
        let start = Instant::now();
        let mut decoder = SourceBlockDecoder::new(0, &oti, bytes as u64);
        let decoded = decoder.decode(packets);
        let time = start.elapsed();
        match decoded {
            Some(decoded) if decoded == object => return Ok(time),
            Some(_) => return failure(1, "what was decoded is not what was encoded"),
            None if extra < EXTRA_MAX => extra += 1,
            None => return failure(1, format!("{EXTRA_MAX} symbols more than K do not suffice")),
        }
    })?;
    let mb = bytes as f64 * 1e-6;
    println!("{:.1} {:.1}", mb / encode, mb / decode);
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args_os().skip(1).map(|text| text.to_string_lossy().into_owned()).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["encode", oti, repair] => encode(oti, repair),
        ["decode", oti] => decode(oti),
        ["bench", k, t] => bench(k, t),
        _ => failure(2, USAGE),
    };

    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("raptorq_peer: {}", failure.message);
            ExitCode::from(failure.status)
        }
    }
}
