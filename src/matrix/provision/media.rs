//! Uploads files for downloads and a picture for thumbnails.

use std::io::Write;

use bytes::Bytes;

use super::ProvisionError;
use super::api::ApiCall;
use super::provisioner::Provisioner;
use crate::random::Random;
use wsim_transport::Client;

impl Provisioner<'_> {
    /// Uploads the missing files.
    pub(super) async fn upload_media(&mut self) -> Result<(), ProvisionError> {
        let Some(token) = self.manifest.marker.as_ref().map(|marker| marker.token.clone()) else { return Ok(()) };
        let missing = self.manifest.media.iter().enumerate().filter(|(_, media)| media.id.is_none());
        let jobs: Vec<_> = missing.map(|(index, media)| (index, media.bytes, media.image, token.clone())).collect();
        let call = |mut client: Client, (index, bytes, image, token): (usize, u64, bool, String)| async move {
            let body: Bytes = if image { picture() } else { file(bytes) }.into();
            let size = body.len() as u64;
            let call = ApiCall {
                content_type: Some(if image { "image/png" } else { "application/octet-stream" }),
                body,
                ..ApiCall::post("uploading media", Some(&token), "/_matrix/media/v3/upload?filename=wsim", &serde_json::Value::Null)
            };
            let uri = call.repeatable().send(&mut client).await.and_then(|response| response.text("content_uri"));
            (client, uri.map(|uri| (index, size, uri.trim_start_matches("mxc://").to_owned())))
        };
        self.stage("media", jobs, call, |manifest, (index, size, id)| {
            if let Some(media) = manifest.media.get_mut(index) {
                (media.bytes, media.id) = (if media.image { size } else { media.bytes }, Some(id));
            }
        })
        .await
    }
}

/// Random bytes, which cannot be compressed.
fn file(bytes: u64) -> Vec<u8> {
    Random::new(1, "file", bytes).bytes(usize::try_from(bytes).unwrap_or(0))
}

/// A PNG picture of 320 × 240 pixels of noise, large enough for every thumbnail size that Synapse has by default.
fn picture() -> Vec<u8> {
    const WIDTH: u32 = 320;
    const HEIGHT: u32 = 240;
    let mut random = Random::new(1, "picture", 0);
    let mut points = Vec::new();
    for _ in 0..HEIGHT {
        // Each line starts with its filter: none.
        points.push(0);
        points.extend(random.bytes(WIDTH as usize));
    }
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    // Writing to memory cannot fail.
    let packed = encoder.write_all(&points).and_then(|()| encoder.finish()).unwrap_or_default();
    let mut header = Vec::from(WIDTH.to_be_bytes());
    header.extend(HEIGHT.to_be_bytes());
    // Eight bits, greyscale, default compression and filter, not interlaced.
    header.extend([8, 0, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, data) in [(b"IHDR", header), (b"IDAT", packed), (b"IEND", Vec::new())] {
        png.extend(u32::try_from(data.len()).unwrap_or(0).to_be_bytes());
        let mut sum = flate2::Crc::new();
        sum.update(kind);
        sum.update(&data);
        png.extend(kind);
        png.extend(data);
        png.extend(sum.sum().to_be_bytes());
    }
    png
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_is_a_png() {
        let png = picture();
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x01\x40\0\0\0\xf0"));
        assert!(png.ends_with(b"IEND\xaeB`\x82"));
        assert_eq!(file(1000).len(), 1000);
    }
}
