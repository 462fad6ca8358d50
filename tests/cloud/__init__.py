"""A stand-in of Tencent Cloud's Redis API for tests: strict where the cloud is strict, and able to fail on request."""
