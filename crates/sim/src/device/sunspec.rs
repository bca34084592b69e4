//! What all devices that speak SunSpec share.

use dialects::sunspec::{Image, ImageError, ModelInstance};
use model::id::DeviceId;

/// The registers of a device: who it is, then its own models.
pub(super) fn image(id: &DeviceId, model_name: &str, models: &[ModelInstance]) -> Image {
    let mut chain = vec![ModelInstance::new(1)];
    chain.extend_from_slice(models);
    let mut image = Image::new(&chain).expect("only models are named that definitions/sunspec has");
    let texts = [
        ("Mn", "Ohmstead"),
        ("Md", model_name),
        ("Vr", env!("CARGO_PKG_VERSION")),
        ("SN", id.as_str()),
    ];
    for (point, text) in texts {
        keep(id, image.set_text(1, point, text));
    }
    image
}

/// A value that does not fit its registers stays as it was; the log says so.
pub(super) fn keep(id: &DeviceId, put: Result<(), ImageError>) {
    if let Err(error) = put {
        tracing::warn!(device.id = %id, "simulated registers keep their old value: {error}");
    }
}
