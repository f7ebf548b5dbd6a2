from platformio.public import PlatformBase


class XtensaPlatform(PlatformBase):
    pass
