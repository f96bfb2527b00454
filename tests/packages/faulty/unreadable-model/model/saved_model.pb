version https://git-lfs.example/spec/v1
