from platformio.public import PlatformBase


class SimulatorPlatform(PlatformBase):
    pass
