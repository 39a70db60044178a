//! The far side, as the engine sees it: the calls that it makes, and no more.

use std::time::Instant;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use crate::job::{ByteOffset, SessionUrl, TempUrl};
use crate::redivis::{
    ApiError, Bearer, Client, DatasetInfo, NewUpload, RegisteredFile, Registration, RemoteFile,
    Reply, TempUpload, TempUploadRequest, Upload, UploadBody, UploadPage,
};

/// The result of a call to the API.
pub(super) type Called<'a, T> = BoxFuture<'a, Result<T, ApiError>>;

/// Redivis and its upload server. Each call is one request; [`Client`] says what it promises.
///
/// A trait, so that the engine can be run against a scripted one.
pub(super) trait Remote: Send + Sync {
    /// [`Client::acquire`]
    fn acquire(&self, now: Instant) -> Result<(), Instant>;
    /// [`Client::set_token`]
    fn set_token(&self, token: Bearer);
    /// [`Client::create_temp_uploads`]
    fn create_temp_uploads<'a>(
        &'a self,
        table: &'a str,
        wanted: &'a [TempUploadRequest],
    ) -> Called<'a, Vec<TempUpload>>;
    /// [`Client::register_files`]
    fn register_files<'a>(
        &'a self,
        table: &'a str,
        files: &'a [Registration],
    ) -> Called<'a, Vec<RegisteredFile>>;
    /// [`Client::list_files`]
    fn list_files<'a>(
        &'a self,
        table: &'a str,
        wanted: &'a (dyn Fn(&str) -> bool + Send + Sync),
    ) -> Called<'a, Vec<RemoteFile>>;
    /// [`Client::list_files_in_parts`]
    fn list_files_in_parts<'a>(
        &'a self,
        table: &'a str,
        parts: mpsc::Sender<Vec<RemoteFile>>,
    ) -> Called<'a, ()>;
    /// [`Client::dataset`]
    fn dataset<'a>(&'a self, dataset: &'a str) -> Called<'a, DatasetInfo>;
    /// [`Client::create_next_version`]
    fn create_next_version<'a>(&'a self, dataset: &'a str) -> Called<'a, ()>;
    /// [`Client::create_upload`]
    fn create_upload<'a>(&'a self, table: &'a str, upload: &'a NewUpload) -> Called<'a, Upload>;
    /// [`Client::list_uploads`]
    fn list_uploads<'a>(&'a self, table: &'a str, after: Option<&'a str>)
    -> Called<'a, UploadPage>;
    /// [`Client::put_whole`]
    fn put_whole<'a>(&'a self, url: &'a TempUrl, body: UploadBody) -> BoxFuture<'a, Reply>;
    /// [`Client::start_session`]
    fn start_session<'a>(&'a self, url: &'a TempUrl, size: u64) -> BoxFuture<'a, Reply>;
    /// [`Client::query`]
    fn query<'a>(&'a self, session: &'a SessionUrl, size: u64) -> BoxFuture<'a, Reply>;
    /// [`Client::put_chunk`]
    fn put_chunk<'a>(
        &'a self,
        session: &'a SessionUrl,
        first: ByteOffset,
        body: UploadBody,
        size: u64,
    ) -> BoxFuture<'a, Reply>;
}

impl Remote for Client {
    fn acquire(&self, now: Instant) -> Result<(), Instant> {
        self.acquire(now)
    }

    fn set_token(&self, token: Bearer) {
        self.set_token(token);
    }

    fn create_temp_uploads<'a>(
        &'a self,
        table: &'a str,
        wanted: &'a [TempUploadRequest],
    ) -> Called<'a, Vec<TempUpload>> {
        Box::pin(self.create_temp_uploads(table, wanted))
    }

    fn register_files<'a>(
        &'a self,
        table: &'a str,
        files: &'a [Registration],
    ) -> Called<'a, Vec<RegisteredFile>> {
        Box::pin(self.register_files(table, files))
    }

    fn list_files<'a>(
        &'a self,
        table: &'a str,
        wanted: &'a (dyn Fn(&str) -> bool + Send + Sync),
    ) -> Called<'a, Vec<RemoteFile>> {
        Box::pin(self.list_files(table, wanted))
    }

    fn create_upload<'a>(&'a self, table: &'a str, upload: &'a NewUpload) -> Called<'a, Upload> {
        Box::pin(self.create_upload(table, upload))
    }

    fn list_uploads<'a>(
        &'a self,
        table: &'a str,
        after: Option<&'a str>,
    ) -> Called<'a, UploadPage> {
        Box::pin(self.list_uploads(table, after))
    }

    fn list_files_in_parts<'a>(
        &'a self,
        table: &'a str,
        parts: mpsc::Sender<Vec<RemoteFile>>,
    ) -> Called<'a, ()> {
        Box::pin(self.list_files_in_parts(table, parts))
    }

    fn dataset<'a>(&'a self, dataset: &'a str) -> Called<'a, DatasetInfo> {
        Box::pin(self.dataset(dataset))
    }

    fn create_next_version<'a>(&'a self, dataset: &'a str) -> Called<'a, ()> {
        Box::pin(self.create_next_version(dataset))
    }

    fn put_whole<'a>(&'a self, url: &'a TempUrl, body: UploadBody) -> BoxFuture<'a, Reply> {
        Box::pin(self.put_whole(url, body))
    }

    fn start_session<'a>(&'a self, url: &'a TempUrl, size: u64) -> BoxFuture<'a, Reply> {
        Box::pin(self.start_session(url, size))
    }

    fn query<'a>(&'a self, session: &'a SessionUrl, size: u64) -> BoxFuture<'a, Reply> {
        Box::pin(self.query(session, size))
    }

    fn put_chunk<'a>(
        &'a self,
        session: &'a SessionUrl,
        first: ByteOffset,
        body: UploadBody,
        size: u64,
    ) -> BoxFuture<'a, Reply> {
        Box::pin(self.put_chunk(session, first, body, size))
    }
}
