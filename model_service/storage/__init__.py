"""Files by path or URL: local ones with the standard library, all others through fsspec.

``s3://`` needs the extra ``s3`` and takes credentials and the endpoint as every S3 tool does: ``AWS_ACCESS_KEY_ID``,
``AWS_SECRET_ACCESS_KEY``, ``AWS_ENDPOINT_URL`` (or ``AWS_ENDPOINT_URL_S3``), or the same in ``~/.aws``; fsspec's own
configuration (``FSSPEC_S3_ENDPOINT_URL``, say) ranks above them. ``obs://`` is S3 whose endpoint must be set so.
"""

from model_service.storage.faults import StorageError, StorageUnavailable
from model_service.storage.files import (
    describe_file,
    expand_glob,
    is_folder,
    list_files,
    open_file,
    read_whole,
)
from model_service.storage.locations import beside, has_wildcard, in_storage_of, is_url, last_name
from model_service.storage.remote import upload_folder
from model_service.storage.stored_file import StoredFile

__all__ = [
    "StorageError",
    "StorageUnavailable",
    "StoredFile",
    "beside",
    "describe_file",
    "expand_glob",
    "has_wildcard",
    "in_storage_of",
    "is_folder",
    "is_url",
    "last_name",
    "list_files",
    "open_file",
    "read_whole",
    "upload_folder",
]
