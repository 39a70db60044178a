//! The engine's [`Remote`]: its calls, put in the server's words and back.

use std::time::Instant;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::far::{Far, PLACES, number};
use super::server::{Row, Server};
use crate::engine::remote::{Called, Remote};
use crate::job::{ByteOffset, Md5, RemoteId, SessionUrl, TempUploadId, TempUrl};
use crate::redivis::{
    ApiError, Bearer, DatasetInfo, Import, NewUpload, RegisteredFile, Registration, RemoteFile,
    Reply, TempUpload, TempUploadRequest, Upload, UploadBody, UploadPage,
};

fn registered(row: Row) -> RegisteredFile {
    RegisteredFile {
        id: RemoteId::new(row.id),
        name: row.name,
        size: row.size,
        md5: Md5(row.md5),
    }
}

fn listed(row: Row) -> RemoteFile {
    RemoteFile {
        id: RemoteId::new(row.id),
        name: row.name,
        size: row.size,
        md5: Md5(row.md5),
        added_at: Timestamp::from_millisecond(row.added_at).ok(),
    }
}

/// From the request to the last row.
const IMPORT_TAKES_MS: i64 = 30_000;

fn uploaded(row: Row, import: Import) -> Upload {
    Upload {
        uri: RemoteId::new(row.id),
        name: row.name,
        import,
        size: Some(row.size),
        md5: Some(Md5(row.md5)),
        rows: None,
    }
}

impl Remote for Far {
    fn acquire(&self, now: Instant) -> Result<(), Instant> {
        self.budget.lock().unwrap().acquire(now)
    }

    fn set_token(&self, _token: Bearer) {
        // its text is nobody's business; the credential was read just before
        let credential = self.world.now().credential;
        *self.token.lock().unwrap() = credential;
    }

    fn create_temp_uploads<'a>(
        &'a self,
        table: &'a str,
        wanted: &'a [TempUploadRequest],
    ) -> Called<'a, Vec<TempUpload>> {
        let sizes: Vec<_> = wanted.iter().map(|one| (one.size, one.resumable)).collect();
        let what = format!("reserve {table} {sizes:?}");
        let of = table.to_owned();
        Box::pin(async move {
            let work = move |server: &mut Server, now| server.create(&of, &sizes, now);
            let places = self.call(what, work).await?;
            let given = wanted.iter().zip(places).map(|(wanted, place)| TempUpload {
                id: TempUploadId::new(place.to_string()),
                url: TempUrl::new(format!("{PLACES}{place}")),
                size: wanted.size,
                resumable: wanted.resumable,
            });
            Ok(given.collect())
        })
    }

    fn register_files<'a>(
        &'a self,
        table: &'a str,
        files: &'a [Registration],
    ) -> Called<'a, Vec<RegisteredFile>> {
        let files: Vec<_> = files
            .iter()
            .filter_map(|file| Some((file.name.clone(), number(file.temp.as_str())?)))
            .collect();
        let what = format!("register {table} {files:?}");
        let of = table.to_owned();
        Box::pin(async move {
            let work = move |server: &mut Server, now| server.register(&of, &files, now);
            let rows = self.call(what, work).await?;
            Ok(rows.into_iter().map(registered).collect())
        })
    }

    fn list_files<'a>(
        &'a self,
        table: &'a str,
        wanted: &'a (dyn Fn(&str) -> bool + Send + Sync),
    ) -> Called<'a, Vec<RemoteFile>> {
        let of = table.to_owned();
        Box::pin(async move {
            let work = move |server: &mut Server, now| Ok(server.list(&of, now));
            let rows = self.call(format!("list {table}"), work).await?;
            let rows = rows.into_iter().filter(|row| wanted(&row.name));
            Ok(rows.map(listed).collect())
        })
    }

    fn create_upload<'a>(&'a self, table: &'a str, upload: &'a NewUpload) -> Called<'a, Upload> {
        let files: Vec<_> = number(upload.temp.as_str())
            .map(|temp| (upload.name.clone(), temp))
            .into_iter()
            .collect();
        let what = format!("take in {table} {files:?}");
        let of = table.to_owned();
        Box::pin(async move {
            let work = move |server: &mut Server, now| server.register(&of, &files, now);
            let rows = self.call(what, work).await?;
            let row = rows.into_iter().next();
            let nonsense = || ApiError::Nonsense {
                what: "no row".into(),
            };
            Ok(uploaded(row.ok_or_else(nonsense)?, Import::UnderWay))
        })
    }

    fn list_uploads<'a>(
        &'a self,
        table: &'a str,
        _after: Option<&'a str>,
    ) -> Called<'a, UploadPage> {
        let of = table.to_owned();
        Box::pin(async move {
            let work = move |server: &mut Server, now| {
                let done = |row: &Row| row.added_at + IMPORT_TAKES_MS <= now;
                let rows = server.list(&of, now).into_iter();
                let uploads = rows.map(|row| {
                    let import = if done(&row) {
                        Import::Completed
                    } else {
                        Import::UnderWay
                    };
                    uploaded(row, import)
                });
                Ok(uploads.collect())
            };
            let uploads = self.call(format!("list uploads {table}"), work).await?;
            Ok(UploadPage {
                uploads,
                next: None,
            })
        })
    }

    fn list_files_in_parts<'a>(
        &'a self,
        table: &'a str,
        parts: mpsc::Sender<Vec<RemoteFile>>,
    ) -> Called<'a, ()> {
        let of = table.to_owned();
        Box::pin(async move {
            let work = move |server: &mut Server, now| Ok(server.list(&of, now));
            let rows = self.call(format!("list all of {table}"), work).await?;
            let rows: Vec<_> = rows.into_iter().map(listed).collect();
            let (first, second) = rows.split_at(rows.len() / 2);
            for part in [first, second] {
                // whoever went has no use for it
                let _ = parts.send(part.to_vec()).await;
            }
            Ok(())
        })
    }

    fn dataset<'a>(&'a self, dataset: &'a str) -> Called<'a, DatasetInfo> {
        Box::pin(async move {
            let work = |server: &mut Server, _| Ok(server.dataset());
            let (released, has_next_version) =
                self.call(format!("dataset {dataset}"), work).await?;
            Ok(DatasetInfo {
                name: None,
                qualified_reference: None,
                released: Some(released),
                has_next_version,
            })
        })
    }

    fn create_next_version<'a>(&'a self, dataset: &'a str) -> Called<'a, ()> {
        let work = |server: &mut Server, _| server.make_next_version();
        Box::pin(self.call(format!("next version of {dataset}"), work))
    }

    fn put_whole<'a>(&'a self, url: &'a TempUrl, body: UploadBody) -> BoxFuture<'a, Reply> {
        let what = format!("put {}", body.len);
        let work = |server: &mut Server, place, bytes: &[u8], storing, now| {
            server.put(place, bytes, storing, now)
        };
        Box::pin(self.upload(url.expose(), what, body, work))
    }

    fn start_session<'a>(&'a self, url: &'a TempUrl, size: u64) -> BoxFuture<'a, Reply> {
        let work =
            move |server: &mut Server, place, _: &[u8], _, now| server.start(place, size, now);
        let what = format!("start {size}");
        Box::pin(self.upload(url.expose(), what, UploadBody::whole(""), work))
    }

    fn query<'a>(&'a self, session: &'a SessionUrl, size: u64) -> BoxFuture<'a, Reply> {
        let work = |server: &mut Server, session, _: &[u8], _, now| server.query(session, now);
        let what = format!("query {size}");
        Box::pin(self.upload(session.expose(), what, UploadBody::whole(""), work))
    }

    fn put_chunk<'a>(
        &'a self,
        session: &'a SessionUrl,
        first: ByteOffset,
        body: UploadBody,
        size: u64,
    ) -> BoxFuture<'a, Reply> {
        let what = format!("chunk {first}+{} of {size}", body.len);
        let work = move |server: &mut Server, session, bytes: &[u8], storing, now| {
            server.chunk(session, first.get(), bytes, storing, now)
        };
        Box::pin(self.upload(session.expose(), what, body, work))
    }
}
